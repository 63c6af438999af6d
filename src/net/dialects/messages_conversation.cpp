#include "net/dialects/messages_conversation.hpp"

#include <string>
#include <utility>
#include <vector>

#include "net/dialects/openai_tools.hpp"
#include "net/structured_fields.hpp"

namespace troupe {
namespace {

std::string item_path(const std::string& path, std::size_t i) {
  return path + "[" + std::to_string(i) + "]";
}

failure missing(const std::string& path, std::string_view what) {
  return {.message = path + " is missing, expected " + std::string(what), .field = path};
}

// A string, or a list of blocks of which each goes to `read`.
template <class Text, class Block>
void read_blocks(const json_value& content, const std::string& path, body_fields& fields, Text text,
                 Block block) {
  if (auto* whole = content.as_string()) return text(*whole);
  auto* list = content.as_array();
  if (list == nullptr)
    return fields.refuse({.message = path + " must be a string or a list of blocks, found " +
                                     std::string(content.type_name()),
                          .field = path});
  for (std::size_t i = 0; i < list->size() && fields.is_fine(); ++i) {
    auto place = item_path(path, i);
    body_fields inner((*list)[i], place);
    auto type = inner.text("type");
    inner.raw("cache_control");  // every prefix is cached without being asked for
    if (type)
      block(*type, inner, place);
    else
      inner.refuse("type", place + ".type is missing, expected a string");
    if (auto checked = inner.finish(); !checked) fields.refuse(checked.error());
  }
}

void append_paragraph(std::string& all, std::string_view more) {
  if (!all.empty()) all += '\n';
  all += more;
}

void refuse_type(body_fields& block, const std::string& path, std::string_view known) {
  block.refuse("type", path + ".type must be " + std::string(known) + ": this model reads text",
               error_code::unsupported);
}

// system, or the content of a tool's result: text alone.
std::string read_text(const json_value& content, const std::string& path, body_fields& fields) {
  std::string all;
  read_blocks(
      content, path, fields, [&](const std::string& whole) { all = whole; },
      [&](const std::string& type, body_fields& block, const std::string& place) {
        if (type != "text") return refuse_type(block, place, "text");
        auto text = block.text("text");
        if (!text) block.refuse(missing(place + ".text", "a string"));
        append_paragraph(all, text.value_or(""));
      });
  return all;
}

// One message may become several turns: results of tools have turns of their own.
class turn_reader {
 public:
  explicit turn_reader(json_array& out) : out_(out) {}

  void read_user(const json_value& content, const std::string& path, body_fields& fields) {
    std::string text;
    bool has_text = false;
    auto add = [&](std::string_view more) {
      append_paragraph(text, more);
      has_text = true;
    };
    read_blocks(content, path, fields, add,
                [&](const std::string& type, body_fields& block, const std::string& place) {
                  if (type == "tool_result") return read_result(block, place, fields);
                  if (type != "text") return refuse_type(block, place, "text or tool_result");
                  auto one = block.text("text");
                  if (!one) block.refuse(missing(place + ".text", "a string"));
                  add(one.value_or(""));
                });
    if (has_text) out_.push_back(make_message("user", std::move(text)));
  }

  void read_assistant(const json_value& content, const std::string& path, body_fields& fields) {
    std::string text;
    json_array calls;
    read_blocks(
        content, path, fields, [&](const std::string& whole) { text = whole; },
        [&](const std::string& type, body_fields& block, const std::string& place) {
          if (type == "tool_use") return calls.push_back(read_use(block, place));
          if (type != "text") return refuse_type(block, place, "text or tool_use");
          auto one = block.text("text");
          if (!one) block.refuse(missing(place + ".text", "a string"));
          append_paragraph(text, one.value_or(""));
        });
    json_object turn{{"role", std::string("assistant")}, {"content", std::move(text)}};
    if (!calls.empty()) turn.emplace_back("tool_calls", std::move(calls));
    out_.emplace_back(std::move(turn));
  }

 private:
  void read_result(body_fields& block, const std::string& place, body_fields& fields) {
    block.text("tool_use_id");
    bool is_error = block.flag("is_error", false);
    auto* content = block.raw("content");
    auto text = content ? read_text(*content, place + ".content", fields) : std::string();
    out_.push_back(make_message("tool", is_error ? "Error: " + text : text));
  }

  json_value read_use(body_fields& block, const std::string& place) {
    block.text("id");
    auto name = block.text("name");
    if (!name) block.refuse(missing(place + ".name", "a string"));
    auto* input = block.raw("input");
    if (input == nullptr || input->as_object() == nullptr)
      block.refuse(missing(place + ".input", "an object"));
    return make_call(name.value_or(""), input ? *input : json_value(json_object{}));
  }

  json_array& out_;
};

void read_message(const json_value& item, const std::string& path, json_array& out,
                  body_fields& fields) {
  body_fields message(item, path);
  auto role = message.text("role");
  auto* content = message.raw("content");
  turn_reader turns(out);
  if (content == nullptr)
    message.refuse(missing(path + ".content", "a string or a list of blocks"));
  else if (role == "user")
    turns.read_user(*content, path + ".content", message);
  else if (role == "assistant")
    turns.read_assistant(*content, path + ".content", message);
  else
    message.refuse("role", path + ".role must be user or assistant");
  if (auto checked = message.finish(); !checked) fields.refuse(checked.error());
}

json_array read_turns(body_fields& fields) {
  json_array out;
  if (auto* system = fields.raw("system"))
    out.push_back(make_message("system", read_text(*system, "system", fields)));
  auto* value = fields.raw("messages");
  auto* list = value == nullptr ? nullptr : value->as_array();
  if (list == nullptr || list->empty()) {
    fields.refuse("messages", "messages must be a list of at least one message");
    return out;
  }
  for (std::size_t i = 0; i < list->size() && fields.is_fine(); ++i)
    read_message((*list)[i], item_path("messages", i), out, fields);
  return out;
}

void read_tool(const json_value& item, const std::string& path, tool_wishes& out, json_array& shown,
               body_fields& fields) {
  body_fields tool(item, path);
  auto type = tool.text("type");
  if (type && *type != "custom")
    tool.refuse("type", path + ".type must be custom: other tools are not offered",
                error_code::unsupported);
  tool.raw("cache_control");
  auto name = tool.text("name");
  auto* schema = tool.raw("input_schema");
  if (!name || !is_tool_name(*name))
    tool.refuse("name", path + ".name must be 1 to 64 letters, digits, '_', '-' or '.'");
  if (schema == nullptr || schema->as_object() == nullptr)
    tool.refuse("input_schema", path + ".input_schema must be an object, a JSON Schema");
  auto description = tool.text("description");
  structured_tool facts{.is_strict = tool.flag("strict", false),
                        .is_lenient = tool.flag("lenient", false)};
  if (auto checked = tool.finish(); !checked) return fields.refuse(checked.error());
  json_object function{{"name", *name}};
  if (description) function.emplace_back("description", *std::move(description));
  function.emplace_back("parameters", *schema);
  shown.emplace_back(
      json_object{{"type", std::string("function")}, {"function", std::move(function)}});
  facts.name = *name;
  facts.parameters = *schema;
  out.tools.push_back(std::move(facts));
}

tool_wishes read_tools_of(body_fields& fields) {
  tool_wishes out;
  auto* value = fields.raw("tools");
  if (value == nullptr) return out;
  auto* list = value->as_array();
  if (list == nullptr || list->size() > max_tools) {
    fields.refuse("tools",
                  "tools must be a list of at most " + std::to_string(max_tools) + " tools");
    return out;
  }
  json_array shown;
  for (std::size_t i = 0; i < list->size() && fields.is_fine(); ++i)
    read_tool((*list)[i], item_path("tools", i), out, shown, fields);
  if (!shown.empty()) out.shown = std::move(shown);
  return out;
}

// {"type": "auto" | "any" | "tool" | "none", "name", "disable_parallel_tool_use"}
void read_choice(body_fields& fields, tool_wishes& wishes) {
  auto* value = fields.raw("tool_choice");
  if (value == nullptr) return;
  body_fields choice(*value, "tool_choice");
  auto type = choice.text("type").value_or("");
  auto name = choice.text("name");
  wishes.may_repeat = !choice.flag("disable_parallel_tool_use", false);
  if (type != "auto" && type != "any" && type != "tool" && type != "none")
    choice.refuse("type", "tool_choice.type must be auto, any, tool or none");
  wishes.is_named = type == "tool";
  wishes.must_call = wishes.is_named || type == "any";
  if (wishes.is_named) std::erase_if(wishes.tools, [&](auto& tool) { return tool.name != name; });
  if (wishes.must_call && wishes.tools.empty())
    choice.refuse("name", "tool_choice names a tool that is not among tools");
  if (type == "none") wishes.shown = json_value();
  if (auto checked = choice.finish(); !checked) fields.refuse(checked.error());
}

// {"type": "json_schema", "schema"}
std::optional<structured_request> read_output_format(body_fields& fields, std::string_view name) {
  auto* value = fields.raw(name);
  if (value == nullptr) return std::nullopt;
  body_fields format(*value, fields.place(name));
  structure_reader form(format);
  if (format.text("type") != "json_schema")
    format.refuse("type", format.place("type") + " must be json_schema");
  form.schema("schema");
  if (!form.has_any())
    format.refuse("schema", format.place("schema") + " is missing, expected a JSON Schema");
  form.options();
  if (auto checked = format.finish(); !checked) fields.refuse(checked.error());
  return form.take();
}

// output_config, and the name that its format had before.
std::optional<structured_request> read_output(body_fields& fields) {
  structure_reader form(fields);
  form.add(read_output_format(fields, "output_format"));
  if (auto* value = fields.raw("output_config")) {
    body_fields config(*value, "output_config");
    form.add(read_output_format(config, "format"));
    config.text("effort");  // the model does not reason apart
    if (auto checked = config.finish(); !checked) fields.refuse(checked.error());
  }
  return form.take();
}

}  // namespace

anthropic_conversation read_anthropic_conversation(body_fields& fields) {
  anthropic_conversation out;
  out.talk.messages = read_turns(fields);
  auto tools = read_tools_of(fields);
  read_choice(fields, tools);
  out.talk.tools = tools.shown;
  out.may_repeat = tools.may_repeat && !tools.is_named;
  out.structure = structure_of_answer(std::move(tools), read_output(fields));
  if (!fields.is_fine()) return out;
  auto& last = out.talk.messages.back();
  bool is_begun = *last.find("role")->as_string() == "assistant";
  if (is_begun && last.find("tool_calls") != nullptr)
    fields.refuse("messages", "messages end with a call of a tool, expected its result");
  out.talk.continue_final_message = is_begun;
  return out;
}

}  // namespace troupe
