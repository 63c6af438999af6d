// What an answer must look like beyond its text: JSON of some form, words of some grammar, or calls
// of given tools. APIs read it into a value that says nothing of how it is enforced; what compiles
// it stands beside it.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/bound_grammar.hpp"
#include "core/outcome.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"

namespace troupe {

enum class structure_kind : std::uint8_t {
  any_json,
  any_object,
  schema,
  regex,
  choice,
  grammar,
  tool_calls
};

struct structured_tool {
  std::string name;
  json_value parameters;    // a JSON Schema; null: any object
  bool is_strict = false;   // the arguments must follow it, also where calls are optional
  bool is_lenient = false;  // what of it cannot be enforced is a warning
};

struct structured_request {
  structure_kind kind = structure_kind::any_object;
  json_value schema;                 // of schema
  std::string text;                  // of regex, and of grammar: its EBNF
  std::vector<std::string> choices;  // of choice
  bool is_strict = false;   // of schema: objects have no other properties than those declared
  bool is_lenient = false;  // of schema: what cannot be enforced is a warning, not a refusal
  schema_options::blanks whitespace = schema_options::blanks::bounded;  // of JSON
  std::vector<structured_tool> tools;  // of tool_calls: those that may be called
  bool must_call = false;              // the answer is calls only; otherwise text may come, too
  bool may_repeat = true;              // more than one call
  // Of tool_calls: what an answer without calls looks like. Null: any text, also before calls.
  std::shared_ptr<const structured_request> instead;
  std::string field;  // of the body, for refusals
};

// The same for two requests exactly when they compile to the same grammar or the same refusal; of
// the order of their size. `field` is no part of it.
std::string canonical_key(const structured_request& ask);

// Pure; may take a while.
grammar_outcome<bound_grammar> compile_structure(const structured_request& ask,
                                                 const grammar_compiler& how);
// What the client hears of a refusal: field, pointer, keyword, reason.
failure to_failure(const structured_request& ask, const grammar_refusal& why);

}  // namespace troupe
