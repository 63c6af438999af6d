// Where each running answer stands in its grammar. Knows no actors and no clock: it is told the
// tokens of an answer and says which may come next.
#pragma once
#include "core/batch.hpp"
#include "core/outcome.hpp"
#include "core/token_constraint.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

namespace troupe {

class running_constraints {
 public:
  explicit running_constraints(std::uint32_t vocab_size) : vocab_size_(vocab_size) {}

  // Moves the answer past `more`, from its start if the answer is not known yet, and says what may
  // come then. A failure (the constraint throws, refuses a token, allows none) forgets the answer.
  outcome<token_mask_ptr> advance(request_id request, const token_constraint_ptr& constraint,
                                  std::span<const token_id> more);
  // Unknown answers are ignored.
  void forget(request_id request) { places_.erase(request); }
  std::size_t num_running() const { return places_.size(); }

 private:
  struct place {
    token_constraint_ptr constraint;  // the state may refer to it
    std::unique_ptr<constraint_state> state;
    std::size_t num_tokens = 0;  // of the answer, that the state has accepted
  };
  outcome<token_mask_ptr> next_mask(request_id request, const token_constraint_ptr& constraint,
                                    std::span<const token_id> more);

  std::uint32_t vocab_size_;
  std::unordered_map<request_id, place> places_;
};

}  // namespace troupe
