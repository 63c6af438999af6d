// Grammars for answers: JSON, a JSON schema, a regular expression, a list of texts, EBNF. Compiling
// looks at no token; masks are made when an answer gets there. What cannot be enforced exactly is
// refused.
#pragma once
#include "core/bound_grammar.hpp"
#include "text/json.hpp"
#include "text/tokenizer.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

namespace grammar {
class compiled_grammar;
class vocabulary;
}  // namespace grammar

struct schema_options {
  // Blanks between the parts of a value: none, one space or one indented line (`bounded`), none at
  // all (`compact`), or as many as the model likes (`any`).
  enum class blanks : std::uint8_t { bounded, compact, any };
  blanks whitespace = blanks::bounded;
  bool strict = false;  // additionalProperties are forbidden where a schema does not name them
  // What cannot be enforced becomes a warning instead of a refusal.
  bool lenient = false;
};

struct tool_definition {
  std::string name;
  json_value parameters;  // a JSON schema
  bool strict = false;    // these as in schema_options
  bool lenient = false;
};

struct tool_choice {
  enum class mode : std::uint8_t {
    automatic,  // text, calls, or text before calls
    required,   // at least one call, no text
    named,      // calls of one tool, no text
  };
  mode how = mode::automatic;
  std::string name;  // of the tool that is `named`
  bool parallel = true;
};

// Safe to share among threads.
class grammar_compiler {
 public:
  // `vocab_size` is the width of the logits, at least that of `words`.
  grammar_compiler(std::shared_ptr<const tokenizer> words, std::vector<token_id> eos,
                   std::uint32_t vocab_size);
  ~grammar_compiler();

  grammar_outcome<bound_grammar> any_json() const;
  grammar_outcome<bound_grammar> any_json_object() const;
  grammar_outcome<bound_grammar> json_schema(const json_value& schema,
                                             const schema_options& options = {}) const;
  // The whole answer matches, from its first character to its last.
  grammar_outcome<bound_grammar> regex(std::string_view pattern) const;
  grammar_outcome<bound_grammar> choice(const std::vector<std::string>& texts) const;
  // A grammar in the EBNF of llama.cpp (GBNF) and XGrammar: docs/grammars.md.
  grammar_outcome<bound_grammar> grammar(std::string_view source) const;
  // Calls are written between the tokens <tool_call> and </tool_call>, which the vocabulary needs.
  // With `instead`, a constraint made here, an automatic choice is between such a text and calls.
  grammar_outcome<bound_grammar> tool_calls(const std::vector<tool_definition>& tools,
                                            const tool_choice& wanted = {},
                                            const token_constraint_ptr& instead = nullptr) const;

 private:
  std::shared_ptr<const grammar::compiled_grammar> free_text() const;

  std::shared_ptr<const tokenizer> tokenizer_;
  std::shared_ptr<const grammar::vocabulary> words_;
  std::vector<token_id> eos_;
};

}  // namespace troupe
