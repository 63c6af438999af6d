#include "net/structured.hpp"

#include <utility>

#include "net/service.hpp"
#include "text/grammar/grammar.hpp"

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

grammar_outcome<bound_grammar> compile(const structured_request& ask, const grammar_compiler& how) {
  switch (ask.kind) {
    case structure_kind::any_object: return how.any_json_object();
    case structure_kind::schema: return how.json_schema(ask.schema, {.strict = ask.is_strict});
    case structure_kind::tool_calls: break;
  }
  auto mode = ask.must_call ? tool_choice::mode::required : tool_choice::mode::automatic;
  return how.tool_calls(definitions_of(ask.tools), {.how = mode, .parallel = ask.may_repeat});
}

}  // namespace

outcome<token_constraint_ptr> compile_constraint(const structured_request& ask,
                                                 const service& facts) {
  auto bound = compile(ask, *facts.grammars);
  if (bound) return bound->constraint;
  return failure{.code = bound.error().code,
                 .message = ask.field + " cannot be enforced: " + bound.error().message(),
                 .field = ask.field};
}

}  // namespace troupe
