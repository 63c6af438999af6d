#include "net/dialects/responses_input.hpp"

#include <initializer_list>
#include <utility>

#include "net/dialects/chat_messages.hpp"

namespace troupe {
namespace {

using type_names = std::initializer_list<std::string_view>;

std::string make_id(std::string_view prefix, std::string_view unique, std::size_t index) {
  return std::string(prefix) + std::string(unique) + "_" + std::to_string(index);
}

json_value text_part(std::string_view type, std::string text) {
  return json_object{{"type", std::string(type)}, {"text", std::move(text)}};
}

// Text, or a list of its parts.
std::optional<std::string> read_content(body_fields& item, std::string_view name,
                                        const std::string& path, type_names types) {
  auto where = path + "." + std::string(name);
  auto* value = item.raw(name);
  auto* text = value == nullptr ? nullptr : value->as_string();
  if (text != nullptr) return *text;
  auto* parts = value == nullptr ? nullptr : value->as_array();
  if (parts == nullptr) {
    item.refuse(name, where + " must be a string or a list of text parts, found " +
                          (value ? std::string(value->type_name()) : "nothing"));
    return std::nullopt;
  }
  std::string all;
  for (std::size_t i = 0; i < parts->size() && item.is_fine(); ++i) {
    auto one = read_text_part((*parts)[i], where + "[" + std::to_string(i) + "]", types, item);
    if (i > 0) all += '\n';
    if (one) all += *one;
  }
  return all;
}

class input_reader {
 public:
  input_reader(body_fields& fields, json_array earlier, std::string_view unique)
      : fields_(fields), unique_(unique) {
    out_.messages = std::move(earlier);
  }

  void read_text(const std::string& text) {
    add_message("user", text);
    keep("msg_", json_object{{"type", std::string("message")},
                             {"role", std::string("user")},
                             {"content", json_array{text_part("input_text", text)}}});
  }

  void read_item(const json_value& value) {
    auto path = "input[" + std::to_string(out_.items.size()) + "]";
    body_fields item(value, path);
    auto type = item.text("type");
    for (auto name : {"id", "status"}) item.text(name);
    if (!type || *type == "message")
      read_message(item, path);
    else if (*type == "function_call")
      read_call(item, path);
    else if (*type == "function_call_output")
      read_output(item, path);
    else
      item.refuse("type", path + ".type must be message, function_call or function_call_output",
                  error_code::unsupported);
    if (auto checked = item.finish(); !checked) fields_.refuse(checked.error());
    if (auto* members = value.as_object(); members != nullptr && fields_.is_fine())
      keep(type == "function_call" || type == "function_call_output" ? "fc_" : "msg_", *members);
  }

  responses_input take() {
    end_calls();
    return std::move(out_);
  }

 private:
  void add_message(std::string_view role, std::string content) {
    end_calls();
    out_.messages.push_back(make_message(role, std::move(content)));
  }

  // Calls belong to the assistant's turn before them, if that is the last one.
  void end_calls() {
    if (calls_.empty()) return;
    auto& messages = out_.messages;
    json_object turn{{"role", std::string("assistant")}, {"content", std::string()}};
    auto* last = messages.empty() ? nullptr : messages.back().as_object();
    bool goes_on =
        last != nullptr && last->size() == 2 && *last->front().second.as_string() == "assistant";
    if (goes_on) {
      turn = *last;
      messages.pop_back();
    }
    turn.emplace_back("tool_calls", std::exchange(calls_, {}));
    messages.emplace_back(std::move(turn));
  }

  void read_message(body_fields& item, const std::string& path) {
    auto role = item.text("role");
    item.text("phase");
    bool is_known =
        role == "user" || role == "system" || role == "developer" || role == "assistant";
    if (!is_known) {
      item.refuse("role", path + ".role must be user, system, developer or assistant");
      return;
    }
    auto content = read_content(item, "content", path, {"input_text", "output_text", "refusal"});
    add_message(*role == "developer" ? "system" : *role, content.value_or(""));
  }

  void read_call(body_fields& item, const std::string& path) {
    item.text("call_id");
    auto name = item.text("name");
    if (!name) item.refuse("name", path + ".name is missing, expected a string");
    auto arguments = read_call_arguments(item, path);
    calls_.push_back(make_call(name.value_or(""), std::move(arguments)));
  }

  void read_output(body_fields& item, const std::string& path) {
    item.text("call_id");
    auto content = read_content(item, "output", path, {"input_text", "output_text"});
    add_message("tool", content.value_or(""));
  }

  // With an id, a type and its text in parts, whatever the client left out.
  void keep(std::string_view prefix, const json_object& given) {
    std::string own = make_id(prefix, unique_, out_.items.size());
    bool has_type = false;
    for (auto& [name, value] : given) {
      if (name == "id" && value.as_string() != nullptr) own = *value.as_string();
      has_type = has_type || name == "type";
    }
    json_object shown{{"id", own}};
    if (!has_type) shown.emplace_back("type", std::string("message"));
    for (auto& [name, value] : given) {
      if (name == "id") continue;
      auto* text = name == "content" ? value.as_string() : nullptr;
      if (text != nullptr)
        shown.emplace_back(name, json_array{text_part("input_text", *text)});
      else
        shown.emplace_back(name, value);
    }
    std::string json;
    append_json(json, json_value(std::move(shown)));
    out_.items.push_back(std::move(json));
    out_.ids.push_back(std::move(own));
  }

  body_fields& fields_;
  std::string_view unique_;
  json_array calls_;  // that no turn has yet
  responses_input out_;
};

}  // namespace

responses_input read_responses_input(body_fields& fields, json_array earlier,
                                     std::string_view unique) {
  input_reader reader(fields, std::move(earlier), unique);
  auto* value = fields.raw("input");
  auto* text = value == nullptr ? nullptr : value->as_string();
  auto* list = value == nullptr ? nullptr : value->as_array();
  if (text != nullptr) {
    reader.read_text(*text);
  } else if (list != nullptr && !list->empty()) {
    for (std::size_t i = 0; i < list->size() && fields.is_fine(); ++i) reader.read_item((*list)[i]);
  } else {
    fields.refuse("input", "input must be a string or a list of at least one item");
  }
  return reader.take();
}

}  // namespace troupe
