#include "net/structured.hpp"

#include <utility>

#include "text/json_builder.hpp"

namespace troupe {
namespace {

std::vector<tool_definition> definitions_of(const std::vector<structured_tool>& tools) {
  std::vector<tool_definition> out;
  for (auto& tool : tools) {
    auto schema = tool.parameters;
    if (schema.is_null()) schema = json_object{{"type", std::string("object")}};
    out.push_back({.name = tool.name, .parameters = std::move(schema), .strict = tool.is_strict});
  }
  return out;
}

void append_tools(json_builder& json, const std::vector<structured_tool>& tools) {
  json.key("tools").begin_array();
  for (auto& tool : tools) {
    json.begin_object().field("name", tool.name).field("strict", tool.is_strict);
    json.field("parameters", tool.parameters).end_object();
  }
  json.end_array();
}

}  // namespace

std::string canonical_key(const structured_request& ask) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("kind", static_cast<int>(ask.kind)).field("strict", ask.is_strict);
  json.field("schema", ask.schema);
  append_tools(json, ask.tools);
  json.field("must_call", ask.must_call).field("may_repeat", ask.may_repeat).end_object();
  return out;
}

grammar_outcome<bound_grammar> compile_structure(const structured_request& ask,
                                                 const grammar_compiler& how) {
  switch (ask.kind) {
    case structure_kind::any_object: return how.any_json_object();
    case structure_kind::schema: return how.json_schema(ask.schema, {.strict = ask.is_strict});
    case structure_kind::tool_calls: break;
  }
  auto mode = ask.must_call ? tool_choice::mode::required : tool_choice::mode::automatic;
  return how.tool_calls(definitions_of(ask.tools), {.how = mode, .parallel = ask.may_repeat});
}

failure to_failure(const structured_request& ask, const grammar_refusal& why) {
  return {.code = why.code,
          .message = ask.field + " cannot be enforced: " + why.message(),
          .field = ask.field};
}

}  // namespace troupe
