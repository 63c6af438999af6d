#include "cli/conversation.hpp"

#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::size_t longest_raw_error = 300;

failure wrong(std::string why) { return {error_code::invalid_argument, std::move(why), ""}; }

json_value message(std::string_view role, std::string_view content) {
  return json_object{{"role", std::string(role)}, {"content", std::string(content)}};
}

json_array messages_of(const conversation& talk) {
  json_array out;
  if (!talk.system.empty()) out.push_back(message("system", talk.system));
  for (auto& one : talk.turns) out.push_back(message(one.role, one.content));
  return out;
}

std::string to_text(const json_value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

const std::string* find_string(const json_value* value, std::string_view key) {
  auto* member = value == nullptr ? nullptr : value->find(key);
  return member == nullptr ? nullptr : member->as_string();
}

// What stands first in the array of that name.
const json_value* find_first(const json_value& value, std::string_view key) {
  auto* member = value.find(key);
  auto* items = member == nullptr ? nullptr : member->as_array();
  return items == nullptr || items->empty() ? nullptr : &items->front();
}

std::string one_line(std::string_view text) {
  std::string out = printable(repair_utf8(text.substr(0, longest_raw_error)));
  for (char& c : out)
    if (c == '\n' || c == '\t') c = ' ';
  return out;
}

}  // namespace

std::string chat_body(const conversation& talk, const chat_sampling& how) {
  json_object body;
  if (!how.model.empty()) body.emplace_back("model", how.model);
  body.emplace_back("messages", messages_of(talk));
  if (how.temperature) body.emplace_back("temperature", *how.temperature);
  if (how.max_tokens) body.emplace_back("max_tokens", std::int64_t{*how.max_tokens});
  if (how.seed) body.emplace_back("seed", *how.seed);
  body.emplace_back("stream", how.stream);
  if (how.stream)
    body.emplace_back("stream_options", json_object{{"include_usage", json_value(true)}});
  return to_text(body);
}

std::string conversation_json(const conversation& talk) {
  return to_text(json_object{{"messages", messages_of(talk)}}) + "\n";
}

outcome<conversation> parse_conversation(std::string_view text) {
  auto file = parse_json(text);
  if (!file) return file.error();
  auto* messages = file->find("messages");
  if (messages == nullptr || messages->as_array() == nullptr)
    return wrong("expected an object with an array \"messages\"");
  conversation out;
  for (auto& one : *messages->as_array()) {
    auto* role = find_string(&one, "role");
    auto* content = find_string(&one, "content");
    if (role == nullptr || content == nullptr)
      return wrong("each of \"messages\" must have the strings \"role\" and \"content\"");
    if (*role == "system" && out.turns.empty() && out.system.empty()) {
      out.system = *content;
    } else if (*role == "user" || *role == "assistant") {
      out.turns.push_back({*role, *content});
    } else {
      return wrong("\"role\" must be user or assistant, or system once at the beginning");
    }
  }
  return out;
}

outcome<chat_piece> parse_chat_piece(std::string_view json) {
  chat_piece out;
  if (json == "[DONE]") {
    out.is_done = true;
    return out;
  }
  auto event = parse_json(json);
  if (!event) return wrong("the server sent what is no JSON: " + event.error().message);
  if (event->find("error") != nullptr) return wrong(error_message(json));
  if (auto* choice = find_first(*event, "choices")) {
    auto* delta = choice->find("delta");
    if (delta == nullptr) delta = choice->find("message");
    if (auto* content = find_string(delta, "content")) out.content = *content;
  }
  if (auto* usage = event->find("usage"))
    if (auto* num = usage->find("completion_tokens"); num != nullptr && num->as_int() != nullptr)
      out.completion_tokens = static_cast<std::uint64_t>(*num->as_int());
  return out;
}

std::string error_message(std::string_view body) {
  auto parsed = parse_json(body);
  if (!parsed) return one_line(body);
  auto* error = parsed->find("error");
  if (error == nullptr) error = &*parsed;
  auto* sentence = error->as_string();
  if (sentence == nullptr) sentence = find_string(error, "message");
  return one_line(sentence == nullptr ? body : std::string_view(*sentence));
}

std::string first_model(std::string_view body) {
  auto parsed = parse_json(body);
  auto* id = parsed ? find_string(find_first(*parsed, "data"), "id") : nullptr;
  return id == nullptr ? "" : *id;
}

std::string printable(std::string_view utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    auto character = read_utf8(utf8, at);
    auto code = character.code_point;
    bool is_control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    if (!is_control || code == '\n' || code == '\t')
      out.append(utf8.substr(at, character.num_bytes));
    at += character.num_bytes;
  }
  return out;
}

}  // namespace troupe
