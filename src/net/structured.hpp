// What an answer must look like beyond its text: JSON of some form, or calls of given tools. APIs
// read it into a value; one function turns the value into what the engine understands.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/bound_grammar.hpp"
#include "core/outcome.hpp"
#include "text/grammar/grammar.hpp"
#include "text/json.hpp"

namespace troupe {

enum class structure_kind : std::uint8_t { any_object, schema, tool_calls };

struct structured_tool {
  std::string name;
  json_value parameters;   // a JSON Schema; null: any object
  bool is_strict = false;  // the arguments must follow it, also where calls are optional
};

struct structured_request {
  structure_kind kind = structure_kind::any_object;
  json_value schema;       // of schema
  bool is_strict = false;  // of schema: objects have no other properties than those declared
  std::vector<structured_tool> tools;  // of tool_calls: those that may be called
  bool must_call = false;              // the answer is calls only; otherwise text may come, too
  bool may_repeat = true;              // more than one call
  std::string field;                   // of the body, for refusals
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
