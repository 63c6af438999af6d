#include "net/dialects/chat_messages.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

std::string item_path(const std::string& path, std::size_t i) {
  return path + "[" + std::to_string(i) + "]";
}

// Text, or a list of its parts.
std::optional<std::string> read_content(body_fields& message, const std::string& path) {
  auto* value = message.raw("content");
  if (value == nullptr) return std::nullopt;
  if (auto* text = value->as_string()) return *text;
  auto* parts = value->as_array();
  if (parts == nullptr || parts->empty()) {
    message.refuse("content", path + ".content must be a string or a list of text parts, found " +
                                  (parts ? "an empty list" : std::string(value->type_name())));
    return std::nullopt;
  }
  std::string all;
  for (std::size_t i = 0; i < parts->size() && message.is_fine(); ++i) {
    auto text =
        read_text_part((*parts)[i], item_path(path + ".content", i), {"text", "refusal"}, message);
    if (i > 0) all += '\n';
    if (text) all += *text;
  }
  return all;
}

json_value read_call(const json_value& item, const std::string& path, body_fields& message) {
  body_fields call(item, path);
  call.text("id");
  if (auto type = call.text("type"); type && *type != "function")
    call.refuse("type", path + ".type must be function", error_code::unsupported);
  json_value out;
  auto* inner = call.raw("function");
  if (inner == nullptr) {
    call.refuse("function", path + ".function is missing, expected an object");
  } else {
    auto inner_path = path + ".function";
    body_fields function(*inner, inner_path);
    auto name = function.text("name");
    if (!name) function.refuse("name", inner_path + ".name is missing, expected a string");
    auto arguments = read_call_arguments(function, inner_path);
    if (auto checked = function.finish(); !checked) call.refuse(checked.error());
    if (name) out = make_call(*std::move(name), std::move(arguments));
  }
  if (auto checked = call.finish(); !checked) message.refuse(checked.error());
  return out;
}

json_array read_calls(body_fields& message, const std::string& path) {
  auto* value = message.raw("tool_calls");
  if (value == nullptr) return {};
  auto* list = value->as_array();
  if (list == nullptr) {
    message.refuse("tool_calls",
                   path + ".tool_calls must be a list, found " + std::string(value->type_name()));
    return {};
  }
  json_array calls;
  for (std::size_t i = 0; i < list->size() && message.is_fine(); ++i)
    calls.push_back(read_call((*list)[i], item_path(path + ".tool_calls", i), message));
  return calls;
}

// What our own answers carry, so that clients can send them back as they are.
void read_echoes(body_fields& message, const std::string& path) {
  for (auto name : {"audio", "function_call"}) {
    if (message.raw(name) == nullptr) continue;
    message.refuse(name, path + "." + name + " is not offered", error_code::unsupported);
  }
  auto* notes = message.raw("annotations");
  bool is_empty = notes == nullptr || (notes->as_array() != nullptr && notes->as_array()->empty());
  if (!is_empty)
    message.refuse("annotations", path + ".annotations is not offered", error_code::unsupported);
}

json_value read_assistant(body_fields& message, const std::string& path) {
  auto content = read_content(message, path);
  auto refused = message.text("refusal");
  auto calls = read_calls(message, path);
  read_echoes(message, path);
  if (!content && !refused && calls.empty())
    message.refuse("content", path + ".content is missing, expected a string or tool_calls");
  json_object out{{"role", std::string("assistant")},
                  {"content", content ? *std::move(content) : refused.value_or("")}};
  if (!calls.empty()) out.emplace_back("tool_calls", std::move(calls));
  return out;
}

json_value read_message(const json_value& item, const std::string& path, body_fields& fields) {
  body_fields message(item, path);
  auto role = message.text("role");
  message.text("name");
  json_value out;
  bool is_known = role == "system" || role == "developer" || role == "user" || role == "tool";
  if (role == "assistant") {
    out = read_assistant(message, path);
  } else if (is_known) {
    auto content = read_content(message, path);
    if (role == "tool") message.text("tool_call_id");
    if (!content) message.refuse("content", path + ".content is missing, expected a string");
    out = make_message(*role == "developer" ? "system" : *role, content.value_or(""));
  } else {
    message.refuse("role", path + ".role must be system, developer, user, assistant or tool");
  }
  if (auto checked = message.finish(); !checked) fields.refuse(checked.error());
  return out;
}

}  // namespace

std::optional<std::string> read_text_part(const json_value& part, const std::string& path,
                                          std::initializer_list<std::string_view> types,
                                          body_fields& fields) {
  body_fields one(part, path);
  auto type = one.text("type");
  std::optional<std::string> text;
  if (type && std::ranges::find(types, *type) != types.end()) {
    auto name = *type == "refusal" ? "refusal" : "text";
    text = one.text(name);
    if (!text) one.refuse(name, path + "." + name + " is missing, expected a string");
    for (auto echo : {"annotations", "logprobs"}) one.raw(echo);
    one.raw("prompt_cache_breakpoint");
  } else if (type) {
    one.refuse("type", path + ".type is not one of text: this model reads nothing else",
               error_code::unsupported);
  } else {
    one.refuse("type", path + ".type is missing, expected a string");
  }
  if (auto checked = one.finish(); !checked) fields.refuse(checked.error());
  return text;
}

json_value read_call_arguments(body_fields& call, const std::string& path) {
  auto text = call.text("arguments");
  if (!text) {
    call.refuse("arguments",
                path + ".arguments is missing, expected a string that holds an object");
    return json_object{};
  }
  auto parsed = parse_json(text->empty() ? std::string_view("{}") : *text);
  if (parsed && parsed->as_object() != nullptr) return *std::move(parsed);
  call.refuse("arguments",
              path + ".arguments must be a string that holds an object: " +
                  (parsed ? "found " + std::string(parsed->type_name()) : parsed.error().message));
  return json_object{};
}

json_value make_call(std::string name, json_value arguments) {
  return json_object{{"name", std::move(name)}, {"arguments", std::move(arguments)}};
}

json_value make_message(std::string_view role, std::string content) {
  return json_object{{"role", std::string(role)}, {"content", std::move(content)}};
}

json_array read_messages(body_fields& fields) {
  auto* value = fields.raw("messages");
  auto* list = value == nullptr ? nullptr : value->as_array();
  if (list == nullptr || list->empty()) {
    fields.refuse("messages",
                  std::string("messages must be a list of at least one message, found ") +
                      (list    ? "an empty list"
                       : value ? std::string(value->type_name())
                               : "nothing"));
    return {};
  }
  json_array out;
  for (std::size_t i = 0; i < list->size() && fields.is_fine(); ++i)
    out.push_back(read_message((*list)[i], item_path("messages", i), fields));
  return out;
}

outcome<std::vector<token_id>> encode(const conversation& talk, const service& facts) {
  if (facts.chat == nullptr)
    return failure{.code = error_code::unsupported,
                   .message = "the model has no chat template that this server knows",
                   .field = "model"};
  auto prompt = facts.chat->render(json_value(talk.messages), talk.tools,
                                   talk.add_generation_prompt && !talk.continue_final_message);
  if (!prompt) return prompt.error();
  if (talk.continue_final_message) prompt->reopen_last_turn();
  return facts.words->encode_parts(prompt->text, prompt->own);
}

}  // namespace troupe
