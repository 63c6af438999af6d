#include "load/request_form.hpp"

#include "text/json_builder.hpp"

namespace troupe::load {
namespace {

void append_messages(json_builder& json, const conversation& talk, std::size_t turn,
                     std::span<const std::string> answers) {
  auto say = [&json](std::string_view role, std::string_view content) {
    json.begin_object().field("role", role).field("content", content).end_object();
  };
  json.key("messages").begin_array();
  for (auto& said : talk.history) say(said.role, said.content);
  for (std::size_t i = 0; i < turn; ++i) {
    say("user", talk.turns[i]);
    say("assistant", answers[i]);
  }
  say("user", talk.turns[turn]);
  json.end_array();
}

// Where an API takes one text, all that was said is in it.
std::string as_text(const conversation& talk, std::size_t turn,
                    std::span<const std::string> answers) {
  std::string out;
  for (auto& said : talk.history) out += said.content + "\n";
  for (std::size_t i = 0; i < turn; ++i) out += talk.turns[i] + answers[i] + "\n";
  return out + talk.turns[turn];
}

}  // namespace

std::string_view to_string(api_kind api) {
  switch (api) {
    case api_kind::generate: return "generate";
    case api_kind::completions: return "completions";
    case api_kind::chat: return "chat";
  }
  return "";
}

std::string_view path_of(api_kind api) {
  switch (api) {
    case api_kind::generate: return "/generate";
    case api_kind::completions: return "/v1/completions";
    case api_kind::chat: return "/v1/chat/completions";
  }
  return "";
}

std::string request_form::body(const conversation& talk, std::size_t turn,
                               std::span<const std::string> answers, bool is_canary) const {
  std::string out;
  json_builder json(out);
  json.begin_object();
  if (!model.empty() && api != api_kind::generate) json.field("model", model);
  if (api == api_kind::chat) {
    append_messages(json, talk, turn, answers);
  } else {
    json.field("prompt", as_text(talk, turn, answers));
  }
  if (talk.max_tokens[turn] > 0) json.field("max_tokens", talk.max_tokens[turn]);
  if (is_canary) {
    json.field("temperature", 0);
  } else if (temperature) {
    json.field("temperature", *temperature);
  }
  if (ignore_eos) json.field("ignore_eos", true);
  json.field("stream", is_stream);
  if (is_stream && api != api_kind::generate)
    json.key("stream_options").begin_object().field("include_usage", true).end_object();
  if (!schema.empty() && api == api_kind::generate) json.key("json_schema").raw(schema);
  if (!schema.empty() && api != api_kind::generate) {
    json.key("response_format").begin_object().field("type", "json_schema");
    json.key("json_schema").begin_object().field("name", "answer").field("strict", true);
    json.key("schema").raw(schema).end_object().end_object();
  }
  json.end_object();
  if (!extra.empty()) {
    out.back() = ',';
    out.append(extra).append("}");
  }
  return out;
}

std::string http_head(std::string_view method, std::string_view target, std::string_view host,
                      std::string_view bearer_token) {
  std::string out;
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(host);
  out.append("\r\nUser-Agent: troupe-bench/" TROUPE_VERSION "\r\nContent-Type: application/json");
  if (!bearer_token.empty()) out.append("\r\nAuthorization: Bearer ").append(bearer_token);
  return out.append("\r\nContent-Length: ");
}

std::string http_request(std::string_view head, std::string_view body) {
  auto length = std::to_string(body.size());
  std::string out;
  out.reserve(head.size() + length.size() + 4 + body.size());
  return out.append(head).append(length).append("\r\n\r\n").append(body);
}

std::string websocket_frame(std::string_view id, std::string_view path, std::string_view body) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("type", "generate").field("id", id).field("path", path);
  json.key("body").raw(body).end_object();
  return out;
}

}  // namespace troupe::load
