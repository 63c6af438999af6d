#include "core/token_budget.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace troupe;
using std::chrono::milliseconds;

TEST_CASE("a minute's worth at once, then as it refills") {
  token_budget budget;
  auto charge = [&](std::int64_t tokens, int at_ms) {
    return budget.charge("a", 600, tokens, milliseconds{at_ms});
  };
  CHECK(charge(500, 0).passes);
  CHECK(charge(100, 0).passes);
  auto refused = charge(20, 0);
  CHECK_FALSE(refused.passes);
  CHECK(refused.retry_after == milliseconds{2000});
  CHECK_FALSE(charge(20, 1999).passes);
  CHECK(charge(20, 2000).passes);
  CHECK(charge(600, 3'600'000).passes);  // never more than a minute's worth
  CHECK_FALSE(charge(1, 3'600'000).passes);
  CHECK(charge(100, 3'620'000).passes);
  CHECK(charge(600, 7'200'000).passes);  // nor with what was left over
  CHECK_FALSE(charge(1, 7'200'000).passes);
}

TEST_CASE("more than a minute's worth never passes") {
  token_budget budget;
  CHECK_FALSE(budget.charge("a", 600, 601, milliseconds{0}).passes);
  CHECK(budget.charge("a", 600, 600, milliseconds{0}).passes);
}

TEST_CASE("what is not used comes back, and not more than that") {
  token_budget budget;
  CHECK(budget.charge("a", 600, 600, milliseconds{0}).passes);
  budget.give_back("a", 600, 590, milliseconds{0});
  CHECK(budget.charge("a", 600, 590, milliseconds{0}).passes);
  CHECK_FALSE(budget.charge("a", 600, 1, milliseconds{0}).passes);
  budget.give_back("a", 600, 1'000'000, milliseconds{0});
  CHECK(budget.charge("a", 600, 600, milliseconds{0}).passes);
  CHECK_FALSE(budget.charge("a", 600, 1, milliseconds{0}).passes);
  budget.give_back("b", 600, 100, milliseconds{0});  // somebody forgotten is full anyway
  CHECK(budget.charge("b", 600, 600, milliseconds{0}).passes);
}

TEST_CASE("over any time at most a minute's worth and the refill pass") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    auto per_minute = static_cast<std::int64_t>(1 + random() % 100'000);
    token_budget budget;
    std::int64_t now = 0, used = 0;
    for (int i = 0; i < 300; ++i) {
      now += static_cast<std::int64_t>(random() % 2000);
      auto tokens = static_cast<std::int64_t>(1 + random() % per_minute);
      auto verdict = budget.charge("a", per_minute, tokens, milliseconds{now});
      if (verdict.passes) {
        auto unused = static_cast<std::int64_t>(random()) & 1 ? tokens / 2 : 0;
        budget.give_back("a", per_minute, unused, milliseconds{now});
        used += tokens - unused;
      } else {
        now += verdict.retry_after.count();
        used += tokens;
        CAPTURE(seed);
        REQUIRE(budget.charge("a", per_minute, tokens, milliseconds{now}).passes);
      }
      REQUIRE(used * 60'000 <= per_minute * (60'000 + now));
    }
  }
}

TEST_CASE("clients are bounded, and budgets are written as tokens per minute") {
  token_budget budget(3);
  for (auto* key : {"a", "b", "c", "d"}) CHECK(budget.charge(key, 5, 5, milliseconds{0}).passes);
  CHECK(budget.num_keys() == 3);
  CHECK(parse_token_rate("100000/min") == 100'000);
  for (auto* text : {"", "5", "/min", "0/min", "-3/min", "5/s", "1e3/min", "9999999999999/min"})
    CHECK_MESSAGE(!parse_token_rate(text), text);
}
