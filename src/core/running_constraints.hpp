// Where each running answer stands in its grammar. Knows no actors and no clock: it is told the
// tokens of an answer and says which may come next.
#pragma once
#include "core/batch.hpp"
#include "core/outcome.hpp"
#include "core/token_constraint.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace troupe {

// How an answer goes on.
struct constraint_turn {
  std::vector<token_id> forced;  // these tokens, in this order; the answer has been moved past them
  token_mask_ptr mask;           // then one of these; null: nothing may follow at all
};

class running_constraints {
 public:
  explicit running_constraints(std::uint32_t vocab_size) : vocab_size_(vocab_size) {}

  // Moves the answer past `more`, from its start if the answer is not known yet, and says how it
  // goes on, with at most `max_forced` forced tokens. What is forced does not depend on that
  // number: beyond it, it comes as masks of one token. A failure (the constraint throws, refuses a
  // token, allows none) forgets the answer.
  outcome<constraint_turn> advance(request_id request, const token_constraint_ptr& constraint,
                                   std::span<const token_id> more, std::uint32_t max_forced = 0);
  // Unknown answers are ignored.
  void forget(request_id request) { places_.erase(request); }
  std::size_t num_running() const { return places_.size(); }

 private:
  struct place {
    token_constraint_ptr constraint;  // the state may refer to it
    std::unique_ptr<constraint_state> state;
    std::deque<token_id> forced;  // must come next, and the state has not accepted it
    std::size_t num_tokens = 0;   // of the answer, that the state has accepted
  };
  void step(place& here, token_id token) const;
  constraint_turn next_turn(place& here, std::uint32_t max_forced) const;
  token_mask_ptr next_mask(const place& here) const;

  std::uint32_t vocab_size_;
  std::unordered_map<request_id, place> places_;
};

}  // namespace troupe
