// What an answer of the library's own API is asked for with: plain values.
#pragma once
#include <cstdint>
#include <string>

namespace troupe {

// One message of a conversation; role: system, user, assistant or tool.
struct chat_turn {
  std::string role;
  std::string content;
};

// What an answer must look like: JSON of a schema, text that an expression matches, the EBNF of
// docs/grammars.md.
struct answer_form {
  enum class kind : std::uint8_t { any, json_schema, regex, grammar };
  kind how = kind::any;
  std::string source;
};

}  // namespace troupe
