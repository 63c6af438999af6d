#include "net/openai_json.hpp"

#include "core/request.hpp"
#include "net/token_json.hpp"

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
  json.field("cached_tokens", usage.cached_tokens).field("audio_tokens", 0).end_object();
  json.key("completion_tokens_details").begin_object();
  for (auto kind : {"reasoning_tokens", "audio_tokens", "accepted_prediction_tokens",
                    "rejected_prediction_tokens"})
    json.field(kind, 0);
  json.end_object().end_object();
}

void append_logprob_list(json_builder& json, const tokenizer& words,
                         const std::vector<answer_token>& tokens) {
  auto append = [&](token_id token, float logprob) {
    json.begin_object().field("token", words.decode({token}, false));
    json.field("logprob", shown_logprob(logprob)).key("bytes").begin_array();
    for (auto byte : words.bytes(token)) json.value(static_cast<unsigned char>(byte));
    json.end_array();
  };
  json.begin_array();
  for (auto& [sampled, text_end] : tokens) {
    append(sampled.token, sampled.logprob);
    json.key("top_logprobs").begin_array();
    for (auto& likely : sampled.most_likely) {
      append(likely.token, likely.logprob);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void append_chat_logprobs(json_builder& json, const tokenizer& words,
                          const std::vector<answer_token>& tokens) {
  append_logprob_list(json.begin_object().key("content"), words, tokens);
  json.key("refusal").null().end_object();
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
