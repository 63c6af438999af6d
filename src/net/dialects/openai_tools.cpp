#include "net/dialects/openai_tools.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

constexpr std::size_t max_name_bytes = 64;

struct one_tool {
  structured_tool facts;
  json_value shown;
};

// What the model reads of a function: its description and parameters, but not what only binds us.
json_value show(const json_object& members) {
  json_object function;
  for (auto& [name, value] : members)
    if ((name == "name" || name == "description" || name == "parameters") && !value.is_null())
      function.emplace_back(name, value);
  return json_object{{"type", std::string("function")}, {"function", std::move(function)}};
}

one_tool read_function(const json_value& value, body_fields& function, const std::string& path) {
  one_tool tool;
  auto name = function.text("name");
  if (!name || !is_tool_name(*name))
    function.refuse("name", path + ".name must be 1 to 64 letters, digits, '_', '-' or '.'");
  function.text("description");
  tool.facts.is_strict = function.flag("strict", false);
  tool.facts.is_lenient = function.flag("lenient", false);
  if (auto* parameters = function.raw("parameters")) {
    if (parameters->as_object() == nullptr)
      function.refuse("parameters", path + ".parameters must be an object, a JSON Schema");
    tool.facts.parameters = *parameters;
  }
  tool.facts.name = name.value_or("");
  if (auto* members = value.as_object()) tool.shown = show(*members);
  return tool;
}

one_tool read_tool(const json_value& item, const std::string& path, nesting form,
                   body_fields& fields) {
  body_fields outer(item, path);
  one_tool tool;
  auto type = outer.text("type");
  if (type && *type != "function")
    outer.refuse("type", path + ".type must be function: other tools are not offered",
                 error_code::unsupported);
  else if (!type)
    outer.refuse("type", path + ".type is missing, expected function");
  if (form == nesting::flat) {
    tool = read_function(item, outer, path);
  } else if (auto* value = outer.raw("function")) {
    body_fields function(*value, path + ".function");
    tool = read_function(*value, function, path + ".function");
    if (auto checked = function.finish(); !checked) outer.refuse(checked.error());
  } else {
    outer.refuse("function", path + ".function is missing, expected an object");
  }
  if (auto checked = outer.finish(); !checked) fields.refuse(checked.error());
  return tool;
}

enum class choice_kind { none, automatic, required, named };

struct tool_choice {
  choice_kind kind = choice_kind::automatic;
  std::string name;
};

// {"type": "function", "function": {"name": ...}}, or flat.
tool_choice read_named_choice(const json_value& value, nesting form, body_fields& fields) {
  tool_choice choice{.kind = choice_kind::named};
  body_fields outer(value, "tool_choice");
  if (outer.text("type") != "function")
    outer.refuse("type",
                 "tool_choice must be none, auto, required or an object of type function that "
                 "names one of the tools",
                 error_code::unsupported);
  std::optional<std::string> name;
  if (form == nesting::flat) {
    name = outer.text("name");
  } else if (auto* inner = outer.raw("function")) {
    body_fields function(*inner, "tool_choice.function");
    name = function.text("name");
    if (auto checked = function.finish(); !checked) outer.refuse(checked.error());
  }
  if (!name) outer.refuse("name", "tool_choice names no function");
  if (auto checked = outer.finish(); !checked) fields.refuse(checked.error());
  choice.name = name.value_or("");
  return choice;
}

tool_choice read_choice(body_fields& fields, nesting form) {
  auto* value = fields.raw("tool_choice");
  if (value == nullptr) return {};
  auto* word = value->as_string();
  if (word == nullptr) return read_named_choice(*value, form, fields);
  if (*word == "none") return {choice_kind::none, {}};
  if (*word == "auto") return {choice_kind::automatic, {}};
  if (*word == "required") return {choice_kind::required, {}};
  fields.refuse("tool_choice", "tool_choice must be none, auto, required or an object");
  return {};
}

void choose_tools(tool_wishes& wishes, const tool_choice& choice, body_fields& fields) {
  wishes.is_named = choice.kind == choice_kind::named;
  wishes.must_call = wishes.is_named || choice.kind == choice_kind::required;
  if (wishes.tools.empty() && wishes.must_call)
    fields.refuse("tool_choice", "tool_choice asks for a call, but there are no tools");
  if (!wishes.is_named) return;
  std::erase_if(wishes.tools, [&](auto& tool) { return tool.name != choice.name; });
  if (wishes.tools.empty())
    fields.refuse("tool_choice", "tool_choice names a function that no tool has");
}

}  // namespace

bool is_tool_name(std::string_view name) {
  auto is_fine = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= max_name_bytes && std::ranges::all_of(name, is_fine);
}

std::optional<structured_request> structure_of_answer(tool_wishes tools,
                                                      std::optional<structured_request> form) {
  if (!tools.are_active()) return form;
  bool is_any_strict = std::ranges::any_of(tools.tools, &structured_tool::is_strict);
  if (!tools.must_call && !is_any_strict && !form) return std::nullopt;
  structured_request ask{.kind = structure_kind::tool_calls,
                         .tools = std::move(tools.tools),
                         .must_call = tools.must_call,
                         .may_repeat = tools.may_repeat && !tools.is_named,
                         .field = tools.must_call ? "tool_choice" : "tools"};
  if (form && !tools.must_call)
    ask.instead = std::make_shared<const structured_request>(*std::move(form));
  return ask;
}

tool_wishes read_tools(body_fields& fields, nesting form) {
  tool_wishes wishes;
  auto* value = fields.raw("tools");
  auto* list = value == nullptr ? nullptr : value->as_array();
  if (value != nullptr && (list == nullptr || list->size() > max_tools))
    fields.refuse("tools", "tools must be a list of at most 128 tools");
  json_array shown;
  for (std::size_t i = 0; list != nullptr && i < list->size() && fields.is_fine(); ++i) {
    auto tool = read_tool((*list)[i], "tools[" + std::to_string(i) + "]", form, fields);
    wishes.tools.push_back(std::move(tool.facts));
    shown.push_back(std::move(tool.shown));
  }
  wishes.may_repeat = fields.flag("parallel_tool_calls", true);
  if (auto* given = fields.raw("tool_choice")) wishes.choice = *given;
  auto choice = read_choice(fields, form);
  choose_tools(wishes, choice, fields);
  bool are_told = !wishes.tools.empty() && choice.kind != choice_kind::none;
  if (are_told) wishes.shown = std::move(shown);
  return wishes;
}

}  // namespace troupe
