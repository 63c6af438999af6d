// A constraint in one function, for tests: may `token` come after these tokens of the answer?
#pragma once
#include "core/token_constraint.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace troupe::test {

using token_rule = std::function<bool(const std::vector<token_id>& so_far, token_id token)>;

class rule_state : public constraint_state {
 public:
  explicit rule_state(token_rule allows) : allows_(std::move(allows)) {}
  std::unique_ptr<constraint_state> clone() const override {
    return std::make_unique<rule_state>(*this);
  }
  bool accept(token_id token) override {
    if (!allows_(so_far_, token)) return false;
    so_far_.push_back(token);
    return true;
  }
  void fill_mask(std::span<std::uint32_t> mask) const override {
    for (std::size_t i = 0; i < 32 * mask.size(); ++i)
      if (allows_(so_far_, static_cast<token_id>(i))) mask[i / 32] |= 1U << (i % 32);
  }
  std::vector<token_id> forced_tokens() const override { return {}; }
  bool is_finished() const override { return false; }

 private:
  token_rule allows_;
  std::vector<token_id> so_far_;
};

class rule_constraint : public token_constraint {
 public:
  explicit rule_constraint(token_rule allows) : allows_(std::move(allows)) {}
  std::unique_ptr<constraint_state> start() const override {
    return std::make_unique<rule_state>(allows_);
  }
  std::size_t num_bytes() const override { return sizeof(*this); }

 private:
  token_rule allows_;
};

inline token_constraint_ptr make_rule(token_rule allows) {
  return std::make_shared<const rule_constraint>(std::move(allows));
}

// Exactly these tokens, then eos.
inline token_constraint_ptr spell(std::vector<token_id> answer, token_id eos) {
  return make_rule([answer, eos](const std::vector<token_id>& so_far, token_id token) {
    return token == (so_far.size() < answer.size() ? answer[so_far.size()] : eos);
  });
}

// Every token depends on all tokens before it, so a place in the answer that is lost, repeated or
// stale shows in the answer. It may end from the fifth token on.
inline token_constraint_ptr follow_the_sum(token_id eos) {
  return make_rule([eos](const std::vector<token_id>& so_far, token_id token) {
    if (token == eos) return so_far.size() >= 5;
    token_id sum = 0;
    for (auto t : so_far) sum = (sum * 3 + t / 7 + 1) % 7;
    return token % 7 == sum;
  });
}

// Any tokens, until the answer has `num_tokens`; then it throws.
inline token_constraint_ptr break_after(std::size_t num_tokens) {
  return make_rule([num_tokens](const std::vector<token_id>& so_far, token_id) -> bool {
    if (so_far.size() >= num_tokens) throw std::runtime_error("the grammar is broken");
    return true;
  });
}

}  // namespace troupe::test
