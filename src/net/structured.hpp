// What an answer must look like beyond its text: JSON of some form, or calls of given tools. APIs
// read it into a value; one function turns the value into what the engine understands.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/outcome.hpp"
#include "core/token_constraint.hpp"
#include "text/json.hpp"

namespace troupe {

struct service;

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

// Pure; may take a while (a schema is compiled). The failure names the field.
outcome<token_constraint_ptr> compile_constraint(const structured_request& ask,
                                                 const service& facts);

}  // namespace troupe
