#include "net/openai_json.hpp"

#include "core/request.hpp"

namespace troupe {

openai_stream read_openai_stream(body_fields& fields) {
  openai_stream stream{.is_wanted = fields.flag("stream", false)};
  auto* options = fields.raw("stream_options");
  if (options == nullptr) return stream;
  if (!stream.is_wanted)
    fields.refuse("stream_options", "stream_options goes with \"stream\": true only");
  body_fields inner(*options, "stream_options");
  stream.has_usage = inner.flag("include_usage", false);
  // Ours never pads its events; asking for none is fine.
  inner.flag("include_obfuscation", false);
  if (auto checked = inner.finish(); !checked) fields.refuse(checked.error());
  return stream;
}

void append_openai_usage(json_builder& json, const token_usage& usage) {
  json.key("usage").begin_object();
  json.field("prompt_tokens", usage.prompt_tokens);
  json.field("completion_tokens", usage.completion_tokens);
  json.field("total_tokens", std::uint64_t{usage.prompt_tokens} + usage.completion_tokens);
  json.key("prompt_tokens_details").begin_object();
  json.field("cached_tokens", usage.cached_tokens).end_object().end_object();
}

void append_openai_finish(json_builder& json, const std::optional<answer_end>& end) {
  if (!end) {
    json.key("finish_reason").null().key("stop_reason").null();
    return;
  }
  json.field("finish_reason", to_string(end->why)).key("stop_reason");
  if (end->matched_stop)
    json.value(*end->matched_stop);
  else
    json.null();
}

}  // namespace troupe
