#include "text/structured.hpp"

#include <optional>
#include <utility>

#include "text/json_builder.hpp"

namespace troupe {
namespace {

std::vector<tool_definition> definitions_of(const std::vector<structured_tool>& tools) {
  std::vector<tool_definition> out;
  for (auto& tool : tools) {
    auto schema = tool.parameters;
    if (schema.is_null()) schema = json_object{{"type", std::string("object")}};
    out.push_back({.name = tool.name,
                   .parameters = std::move(schema),
                   .strict = tool.is_strict,
                   .lenient = tool.is_lenient});
  }
  return out;
}

schema_options options_of(const structured_request& ask) {
  return {.whitespace = ask.whitespace, .strict = ask.is_strict, .lenient = ask.is_lenient};
}

grammar_outcome<bound_grammar> compile_calls(const structured_request& ask,
                                             const grammar_compiler& how) {
  auto mode = ask.must_call ? tool_choice::mode::required : tool_choice::mode::automatic;
  tool_choice choice{.how = mode, .parallel = ask.may_repeat};
  if (ask.instead == nullptr) return how.tool_calls(definitions_of(ask.tools), choice);
  auto text = compile_structure(*ask.instead, how);
  if (!text) return text;
  auto bound = how.tool_calls(definitions_of(ask.tools), choice, text->constraint);
  if (!bound) return bound;
  auto& all = bound->warnings;
  all.insert(all.begin(), text->warnings.begin(), text->warnings.end());
  return bound;
}

void append_tools(json_builder& json, const std::vector<structured_tool>& tools) {
  json.key("tools").begin_array();
  for (auto& tool : tools) {
    json.begin_object().field("name", tool.name).field("strict", tool.is_strict);
    json.field("lenient", tool.is_lenient).field("parameters", tool.parameters).end_object();
  }
  json.end_array();
}

}  // namespace

std::string canonical_key(const structured_request& ask) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("kind", static_cast<int>(ask.kind)).field("schema", ask.schema);
  json.field("text", ask.text).key("choices").begin_array();
  for (auto& choice : ask.choices) json.value(choice);
  json.end_array().field("strict", ask.is_strict).field("lenient", ask.is_lenient);
  json.field("whitespace", static_cast<int>(ask.whitespace));
  append_tools(json, ask.tools);
  json.field("must_call", ask.must_call).field("may_repeat", ask.may_repeat);
  if (ask.instead) json.key("instead").raw(canonical_key(*ask.instead));
  json.end_object();
  return out;
}

grammar_outcome<bound_grammar> compile_structure(const structured_request& ask,
                                                 const grammar_compiler& how) {
  bool is_bounded = ask.whitespace == schema_options::blanks::bounded;
  switch (ask.kind) {
    case structure_kind::any_json:
      return is_bounded ? how.any_json() : how.json_schema(true, options_of(ask));
    case structure_kind::any_object:
      if (is_bounded) return how.any_json_object();
      return how.json_schema(json_object{{"type", std::string("object")}}, options_of(ask));
    case structure_kind::schema: return how.json_schema(ask.schema, options_of(ask));
    case structure_kind::regex: return how.regex(ask.text);
    case structure_kind::choice: return how.choice(ask.choices);
    case structure_kind::grammar: return how.grammar(ask.text);
    case structure_kind::tool_calls: break;
  }
  return compile_calls(ask, how);
}

failure to_failure(const structured_request& ask, const grammar_refusal& why) {
  // Only calls have "tools" for a keyword.
  bool is_of_text = ask.instead != nullptr && why.why.keyword != "tools";
  // Too slow is too large: it would be so again.
  bool is_late = why.code == error_code::timed_out;
  failure out{.code = is_late ? error_code::too_large : why.code,
              .field = is_of_text ? ask.instead->field : ask.field};
  out.message = out.field + " cannot be enforced: " + why.message();
  return out;
}

}  // namespace troupe
