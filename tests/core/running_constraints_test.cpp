#include "core/running_constraints.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t vocab_size = 40;
constexpr token_id eos = 9;

std::vector<token_id> allowed(const outcome<token_mask_ptr>& mask) {
  REQUIRE(mask);
  CHECK((*mask)->size() == mask_words(vocab_size));
  std::vector<token_id> tokens;
  for (token_id t = 0; t < 64; ++t)
    if ((**mask)[std::size_t(t) / 32] >> (t % 32) & 1U) tokens.push_back(t);
  return tokens;
}

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
    auto mask = places.advance({1}, constraint, more);
    REQUIRE_FALSE(mask);
    CHECK(mask.error().code == error_code::engine_failed);
    CHECK(places.num_running() == 0);
    return mask.error().message;
  };
  CHECK(why(break_after(0), {}) == "the answer's constraint failed: the grammar is broken");
  CHECK(why(spell({3, 4}, eos), {3, 5}) ==
        "the answer's constraint failed: it refuses token 5 after 1 tokens");
  auto only_past_the_end = make_rule([](auto&, token_id t) { return t >= 40; });
  CHECK(why(only_past_the_end, {}) ==
        "the answer's constraint failed: it allows no token after 0 tokens");
}
