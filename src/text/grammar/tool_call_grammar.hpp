// Answers with tool calls, as Qwen2.5 writes them: text, then <tool_call>, one line of JSON that
// names a tool and holds arguments that fit the tool's schema, </tool_call>, and perhaps more
// calls.
#pragma once
#include "text/grammar/compile_budget.hpp"
#include "text/grammar/compiled_grammar.hpp"
#include "text/grammar/grammar.hpp"

#include <memory>
#include <vector>

namespace troupe::grammar {

struct tool_tokens {
  token_id open = -1, close = -1;  // <tool_call> and </tool_call>
  std::vector<token_id> newline;   // tokens that are one line feed
};

struct tool_call_options {
  bool is_text_alone = false;  // text or calls, never both
  bool is_parallel = true;     // more than one call
};

class tool_call_grammar : public token_constraint,
                          public std::enable_shared_from_this<tool_call_grammar> {
 public:
  enum class phase : std::uint8_t {
    either,   // text or a call may begin
    text,     // before the first call
    opening,  // a call must begin
    inside,   // between the two tags
    after,    // a call is complete
    ended,
  };
  struct place {
    phase where = phase::either;
    thread_set at;
  };

  // `text` is null when the answer begins with a call.
  tool_call_grammar(std::shared_ptr<const compiled_grammar> text,
                    std::shared_ptr<const compiled_grammar> call, tool_tokens tokens,
                    tool_call_options how);

  std::unique_ptr<constraint_state> start() const override;
  std::size_t num_bytes() const override;
  bool is_exhausted() const override;
  bool accept(place& here, token_id token) const;
  void fill(const place& here, std::span<std::uint32_t> mask) const;
  std::vector<token_id> forced_tokens(const place& here) const;
  bool is_finished(const place& here) const;

 private:
  bool may_end(const place& here) const;
  bool may_open(const place& here) const;
  bool is_eos(token_id token) const;
  const compiled_grammar* grammar_of(const place& here) const;

  std::shared_ptr<const compiled_grammar> text_, call_;
  tool_tokens tokens_;
  tool_call_options how_;
};

// The rules of what stands between the two tags, and of text that spells no tag.
grammar_outcome<rule_set> call_rules(language_pool& pool, const std::vector<tool_definition>& tools,
                                     const std::string& only, compile_budget& budget,
                                     std::vector<grammar_note>& warnings);
language text_without_tag(language_pool& pool);

}  // namespace troupe::grammar
