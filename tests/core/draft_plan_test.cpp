#include "core/draft_plan.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

// What rows of these odds get, each at most `most`.
std::vector<std::uint32_t> plan(const std::vector<draft_odds>& odds, std::uint32_t num_more,
                                double share, std::uint32_t most = 7) {
  std::vector<draft_ask> asks;
  for (auto& o : odds) asks.push_back({o, most});
  plan_drafts(asks, num_more, share);
  std::vector<std::uint32_t> out;
  for (auto& a : asks) out.push_back(a.num_tokens);
  return out;
}

using counts = std::vector<std::uint32_t>;
constexpr draft_odds sure{0.95F, 0.95F}, fair{0.5F, 0.5F}, poor{0.05F, 0.8F}, none{};

// One that repeats itself, so that its lookup has a guess.
sequence repeating(std::uint64_t id, std::uint32_t num_generated) {
  sequence s;
  s.request.id = {id};
  s.request.prompt = {1, 2, 3};
  s.request.sampling.max_tokens = 20;
  while (s.generated.size() < num_generated) {
    s.generated.push_back(static_cast<token_id>(1 + s.generated.size() % 3));
    s.lookup.follow(s.history(), {2, 5});
  }
  s.num_scheduled = s.num_known() - 1;
  return s;
}

engine_limits limits_of(std::uint32_t num_tokens) {
  engine_limits limits;
  limits.num_speculative_tokens = num_tokens;
  return limits;
}

}  // namespace

TEST_CASE("a row alone gets the more drafts the better its odds") {
  CHECK(plan({sure}, 7, 0.1) == counts{7});
  CHECK(plan({sure}, 7, 0.1, 4) == counts{4});
  CHECK(plan({fair}, 7, 0.1) == counts{2});
  CHECK(plan({poor}, 7, 0.1) == counts{0});
  CHECK(plan({none}, 7, 0.1) == counts{0});
  CHECK(plan({}, 7, 0.1).empty());
}

TEST_CASE("the dearer a row, the fewer drafts") {
  CHECK(plan({sure}, 20, 0.02, 20)[0] > plan({sure}, 20, 0.2, 20)[0]);
  CHECK(plan({fair}, 7, 0.3) == counts{1});
  CHECK(plan({fair}, 7, 0.5) == counts{0});
  CHECK(plan({sure}, 7, 1) == counts{0});
}

TEST_CASE("there are no more drafts than rows for them") {
  CHECK(plan({sure}, 0, 0.1) == counts{0});
  CHECK(plan(std::vector(6, sure), 2, 0.07) == counts{1, 1, 0, 0, 0, 0});
}

TEST_CASE("the most likely guesses come first") {
  CHECK(plan({fair, sure, none}, 5, 0.1) == counts{0, 5, 0});
  auto both = plan({{0.9F, 0.5F}, {0.9F, 0.5F}}, 10, 0.05);
  CHECK(both[0] == both[1]);
}

TEST_CASE("a guess must bring more than its row costs, and all together more than nothing") {
  // Of four rows one has a guess: the same odds that suffice alone do not suffice here.
  CHECK(plan({{0.25F, 0.1F}}, 7, 0.1) == counts{1});
  CHECK(plan({{0.25F, 0.1F}, none, none, none}, 4, 0.1) == counts(4, 0));
  std::vector<draft_odds> many(20, none);
  many[3] = {0.9F, 0.1F};
  CHECK(plan(many, 20, 0.01) == counts(20, 0));
  many[4] = {0.9F, 0.9F};
  CHECK(plan(many, 20, 0.01)[4] > 0);
}

TEST_CASE("before anything is measured the cost is what the flag says") {
  const draft_cost cost(8);
  CHECK(cost.share(1) == doctest::Approx(1.0 / 9));
  CHECK(cost.share(4) == doctest::Approx(1.0 / 12));
  CHECK(cost.share(100) == doctest::Approx(1.0 / 108));
}

TEST_CASE("the cost is learnt from steps with and without guesses, apart for each number of rows") {
  draft_cost cost(8);
  cost.note(1, 4, 9);  // nothing to compare with
  CHECK(cost.share(1) == doctest::Approx(1.0 / 9));
  for (int i = 0; i < 100; ++i) {
    cost.note(1, 0, 0.010);
    cost.note(1, 4, 0.018);
    cost.note(2, 0, 0.010);
    cost.note(2, 5, 0.011);
    cost.note(8, 0, 0.010);  // never with drafts
  }
  CHECK(cost.share(1) == doctest::Approx(0.2).epsilon(0.05));
  CHECK(cost.share(2) == doctest::Approx(0.02).epsilon(0.05));
  // A step that something else held up does not count for more than three.
  cost.note(2, 5, 100);
  CHECK(cost.share(2) < 0.05);
  for (int i = 0; i < 5000; ++i) cost.note(1, 0, 0.010);
  CHECK(cost.share(1) < 0.12);  // forgotten
  cost.note(2, 5, 0);
  CHECK(cost.share(2) < 0.05);
}

TEST_CASE("decoding rows get drafts up to the end of their answer; bound ones and prompts none") {
  auto limits = limits_of(5);
  const draft_cost cost(8);
  std::vector running{repeating(1, 12)};
  auto steps = plan_step(running, 64);
  add_drafts(running, limits, cost, steps);
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].num_drafts == 5);
  running[0] = repeating(1, 18);
  steps = plan_step(running, 64);
  add_drafts(running, limits, cost, steps);
  CHECK(steps[0].num_drafts == 1);  // and its own: 20
  running[0] = repeating(1, 19);
  CHECK_FALSE(would_draft(running, limits, cost));
  running[0] = repeating(1, 12);
  CHECK(would_draft(running, limits, cost));
  CHECK_FALSE(would_draft(running, limits_of(0), cost));
  running[0].request.constraint = test::make_rule([](auto&, token_id) { return true; });
  CHECK_FALSE(would_draft(running, limits, cost));
  sequence prompt;
  prompt.request.prompt.assign(100, 1);
  running = {repeating(1, 12), prompt};
  CHECK_FALSE(would_draft(running, limits, cost));
  steps = plan_step(running, 64);
  add_drafts(running, limits, cost, steps);
  CHECK(steps[0].num_drafts == 0);
}

TEST_CASE("logits are planned for the rows that drafts may fill, and for no more") {
  auto limits = limits_of(0);
  limits.max_num_seqs = 2;
  CHECK(count_logit_rows(limits) == 2);
  limits.num_speculative_tokens = 4;
  CHECK(count_logit_rows(limits) == 8);
  limits.max_num_batched_tokens = 5;
  CHECK(count_logit_rows(limits) == 5);
  limits.max_num_seqs = 64;
  CHECK(count_logit_rows(limits) == 64);
}
