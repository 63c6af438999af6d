// A grammar bound to a vocabulary: the token_constraint that the engine asks.
#pragma once
#include "core/token_constraint.hpp"
#include "text/grammar/mask_maker.hpp"
#include "text/grammar/parser.hpp"
#include "text/grammar/vocabulary.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::grammar {

// What the states of all answers share. The tables behind it grow on the way, so one lock guards
// them; a mask takes microseconds.
class compiled_grammar : public token_constraint,
                         public std::enable_shared_from_this<compiled_grammar> {
 public:
  compiled_grammar(std::shared_ptr<const vocabulary> words, std::vector<token_id> eos,
                   std::unique_ptr<language_pool> pool, rule_set rules);

  std::unique_ptr<constraint_state> start() const override;
  std::size_t num_bytes() const override;
  bool is_exhausted() const override;

  // Makes the first mask; gives what is wrong when not even that can be made.
  std::optional<std::string> warm() const;

  // The parts that states are made of. They throw std::length_error when the grammar's states
  // outgrow its memory, or its readings of the text their number: nothing is certain then.
  thread_set begin() const;
  bool accept(thread_set& at, std::string_view bytes) const;  // unchanged when it is false
  bool may_end(const thread_set& at) const;
  bool may_go_on(const thread_set& at) const;
  // Writes the whole mask, and says whether the text may end here.
  bool fill(const thread_set& at, std::span<std::uint32_t> mask) const;
  void allow_eos(std::span<std::uint32_t> mask, bool is_allowed) const;
  // The bytes that must come next, as far as they are certain.
  std::string forced_bytes(const thread_set& at) const;
  // Their tokens, but for the last one where it could have become a longer token with what follows.
  std::vector<token_id> forced_tokens(const thread_set& at) const;
  const vocabulary& words() const { return *words_; }
  const std::vector<token_id>& eos() const { return eos_; }

 private:
  bool has_next(const thread_set& at) const;
  std::optional<std::string> find_trouble() const;
  void check() const;
  std::string force(thread_set& at) const;

  std::shared_ptr<const vocabulary> words_;
  std::vector<token_id> eos_;
  mutable std::mutex lock_;
  mutable parser machine_;
  mutable mask_maker masks_{words_, machine_};
};

}  // namespace troupe::grammar
