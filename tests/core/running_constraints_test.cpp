#include "core/running_constraints.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t vocab_size = 40;
constexpr token_id eos = 9;

std::vector<token_id> allowed(const outcome<constraint_turn>& turn) {
  REQUIRE(turn);
  REQUIRE(turn->mask);
  CHECK(turn->mask->size() == mask_words(vocab_size));
  std::vector<token_id> tokens;
  for (token_id t = 0; t < 64; ++t)
    if ((*turn->mask)[std::size_t(t) / 32] >> (t % 32) & 1U) tokens.push_back(t);
  return tokens;
}

// Letters 1 .. 30, after a letter below 10 twice the one that follows it: "1 2 2", and so on; then
// nothing more may come, and no eos is known.
class echo_state : public constraint_state {
 public:
  std::unique_ptr<constraint_state> clone() const override {
    return std::make_unique<echo_state>(*this);
  }
  bool accept(token_id token) override {
    auto certain = forced_tokens();
    bool is_well = !is_finished() && token >= 1 && token <= 30 &&
                   (certain.empty() || certain.front() == token);
    if (is_well) so_far_.push_back(token);
    return is_well;
  }
  void fill_mask(std::span<std::uint32_t> mask) const override {
    if (!is_finished()) mask[0] = 0x7ffffffe;
  }
  std::vector<token_id> forced_tokens() const override {
    auto n = so_far_.size();
    if (n == 0 || so_far_[0] >= 10 || n > 2) return {};
    return std::vector<token_id>(3 - n, so_far_[0] + 1);
  }
  bool is_finished() const override { return so_far_.size() == 4; }

 private:
  std::vector<token_id> so_far_;
};
class echo : public token_constraint {
 public:
  std::unique_ptr<constraint_state> start() const override {
    return std::make_unique<echo_state>();
  }
};

using tokens = std::vector<token_id>;

}  // namespace

TEST_CASE("each answer has its own place, and a mask has no bit past the vocabulary") {
  running_constraints places(vocab_size);
  auto two = spell({3, 4}, eos);
  CHECK(allowed(places.advance({1}, two, tokens{})) == tokens{3});
  CHECK(allowed(places.advance({2}, two, tokens{3})) == tokens{4});
  CHECK(allowed(places.advance({1}, two, tokens{3})) == tokens{4});
  CHECK(allowed(places.advance({1}, two, tokens{4})) == tokens{eos});
  auto high = make_rule([](auto&, token_id t) { return t >= 38; });
  CHECK(allowed(places.advance({3}, high, tokens{})) == tokens{38, 39});
  CHECK(places.num_running() == 3);
}

TEST_CASE("a forgotten answer starts again with all its tokens") {
  running_constraints places(vocab_size);
  auto sum = follow_the_sum(eos);
  auto first = allowed(places.advance({1}, sum, tokens{}));
  tokens answer{first.back()};
  auto second = allowed(places.advance({1}, sum, answer));
  answer.push_back(second.front());
  auto third = allowed(places.advance({1}, sum, tokens{second.front()}));
  places.forget({1});
  places.forget({7});
  CHECK(places.num_running() == 0);
  CHECK(allowed(places.advance({1}, sum, answer)) == third);
}

TEST_CASE("a constraint that throws, refuses or allows nothing fails and is forgotten") {
  running_constraints places(vocab_size);
  auto why = [&](const token_constraint_ptr& constraint, tokens more) {
    auto turn = places.advance({1}, constraint, more);
    REQUIRE_FALSE(turn);
    CHECK(turn.error().code == error_code::constraint_failed);
    CHECK(places.num_running() == 0);
    return turn.error().message;
  };
  CHECK(why(break_after(0), {}) ==
        "the answer's constraint failed after 0 tokens: the grammar is broken");
  CHECK(why(spell({3, 4}, eos), {3, 5}) ==
        "the answer's constraint failed after 1 tokens: it refuses token 5");
  auto only_past_the_end = make_rule([](auto&, token_id t) { return t >= 40; });
  CHECK(why(only_past_the_end, {}) ==
        "the answer's constraint failed after 0 tokens: it allows no token");
}

TEST_CASE("tokens without a choice come at once, up to a bound, or one by one") {
  auto rule = spell({3, 4, 5}, eos);
  running_constraints places(vocab_size);
  auto some = places.advance({1}, rule, tokens{}, 2);
  CHECK(some->forced == tokens{3, 4});
  CHECK(allowed(some) == tokens{5});
  auto rest = places.advance({1}, rule, tokens{5}, 1);
  CHECK(rest->forced == tokens{eos});
  CHECK(allowed(places.advance({2}, rule, tokens{3})) == tokens{4});
}

TEST_CASE("what a constraint says is certain is all that may come") {
  auto rule = std::make_shared<const echo>();
  running_constraints places(vocab_size);
  CHECK(places.advance({1}, rule, tokens{}, 9)->forced.empty());
  auto jump = places.advance({1}, rule, tokens{7}, 9);
  CHECK(jump->forced == tokens{8, 8});
  CHECK(allowed(jump).size() == 30);
  // One by one the answer is the same, also where it is taken up in the middle.
  CHECK(allowed(places.advance({2}, rule, tokens{7})) == tokens{8});
  CHECK(allowed(places.advance({2}, rule, tokens{8})) == tokens{8});
  CHECK(allowed(places.advance({3}, rule, tokens{7, 8})) == tokens{8});
  CHECK(allowed(places.advance({2}, rule, tokens{8})).size() == 30);
  CHECK(allowed(places.advance({4}, rule, tokens{12})).size() == 30);
}

TEST_CASE("without eos the end of the text is the end of the answer") {
  auto rule = std::make_shared<const echo>();
  running_constraints places(vocab_size);
  auto turn = places.advance({1}, rule, tokens{7, 8, 8, 3}, 9);
  REQUIRE(turn);
  CHECK(turn->forced.empty());
  CHECK(turn->mask == nullptr);
}
