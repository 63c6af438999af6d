// Rows with drafts, from the plan to the result: nothing of a wrong guess stays.
#include "core/running_batch.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

using tokens = std::vector<token_id>;

engine_limits limits_of(std::uint32_t num_drafts = 4) {
  engine_limits limits;
  limits.max_num_seqs = 4;
  limits.max_num_batched_tokens = 32;
  limits.eos_token_ids = {99};
  limits.num_speculative_tokens = num_drafts;
  return limits;
}

// Prompt 1 2 3 4 5 6 1 2 ...: after 1 2 come 3 4 5 6.
sequence entering(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens) {
  sequence s;
  s.request.id = {id};
  for (std::uint32_t i = 0; i < num_prompt; ++i) s.request.prompt.push_back(token_id(i % 6 + 1));
  s.request.sampling.max_tokens = max_tokens;
  return s;
}

step_batch next(running_batch& batch) {
  batch.plan();
  return batch.build();
}

// Each slot's samples in turn.
step_result answer(const step_batch& batch, const std::vector<tokens>& choices) {
  step_result result{.id = batch.id};
  for (std::size_t i = 0; i < choices.size(); ++i)
    for (auto token : choices[i]) result.samples.push_back({batch.chunks[i].slot, {token}});
  return result;
}

// Admits one whose prompt ends with 1 2, and lets it answer 3 4.
step_batch first_drafts(running_batch& batch, std::uint32_t num_pages, std::uint32_t max_tokens) {
  std::vector<page_idx> pages(num_pages);
  for (std::uint32_t i = 0; i < num_pages; ++i) pages[i] = 10 + i;
  batch.admit(entering(1, 8, max_tokens), pages, 0);
  batch.apply(answer(next(batch), {{3}}));
  const auto step = next(batch);
  CHECK(step.chunks[0].num_drafts > 0);
  CHECK(step.tokens[0] == 3);
  return step;
}

}  // namespace

TEST_CASE("a row carries what followed before; the right ones are tokens of the answer") {
  running_batch batch(limits_of());
  const auto step = first_drafts(batch, 2, 50);
  REQUIRE(step.chunks[0].num_drafts >= 2);
  CHECK(step.tokens[1] == 4);
  CHECK(step.tokens[2] == 5);
  CHECK(step.chunks[0].sample);
  CHECK(step.chunks[0].num_tokens == 1 + step.chunks[0].num_drafts);
  CHECK(batch.waits_for_tokens());
  batch.plan();
  CHECK_FALSE(batch.has_plan());
  const auto progress = batch.apply(answer(step, {{4, 5, 77}}));
  REQUIRE(progress.size() == 3);
  CHECK(progress[0].token->token == 4);
  CHECK(progress[2].token->token == 77);
  CHECK_FALSE(progress[2].end);
  auto& s = *batch.find({1});
  CHECK(s.generated == tokens{3, 4, 5, 77});
  CHECK(s.num_scheduled == 11);
  CHECK(s.num_computed == 11);
  const auto after = next(batch);
  CHECK(after.tokens[0] == 77);
  CHECK(after.chunks[0].first_position == 11);
  const auto counts = batch.take_draft_counts();
  CHECK(counts.num_drafts == 1);
  CHECK(counts.num_draft_tokens == step.chunks[0].num_drafts);
  CHECK(counts.num_accepted_tokens == 2);
  CHECK(batch.take_draft_counts().num_drafts == 0);
}

TEST_CASE("when no guess is right the step was a plain one") {
  running_batch batch(limits_of());
  const auto step = first_drafts(batch, 2, 50);
  CHECK(batch.apply(answer(step, {{70}})).size() == 1);
  const auto& s = *batch.find({1});
  CHECK(s.generated == tokens{3, 70});
  CHECK(s.num_scheduled == 9);
  CHECK(s.num_computed == 9);
  CHECK_FALSE(batch.waits_for_tokens());
  // Nothing is guessed now: two steps in flight again.
  CHECK(next(batch).tokens == tokens{70});
  CHECK_FALSE(batch.waits_for_tokens());
  CHECK(next(batch).tokens == tokens{last_sampled});
}

TEST_CASE("a step in flight is waited for when the next one would have drafts") {
  running_batch batch(limits_of());
  batch.admit(entering(1, 8, 50), {10, 11}, 0);
  const auto first = next(batch);
  CHECK_FALSE(batch.waits_for_tokens());  // nothing has been guessed yet
  const auto second = next(batch);
  batch.apply(answer(first, {{3}}));
  CHECK(batch.waits_for_tokens());
  batch.apply(answer(second, {{4}}));
  CHECK_FALSE(batch.waits_for_tokens());
  CHECK(next(batch).tokens[1] == 5);
}

TEST_CASE("no guess at the end of an answer, nor at what is behind its last token") {
  running_batch batch(limits_of());
  auto step = first_drafts(batch, 2, 4);  // 3, and at most three more
  CHECK(step.chunks[0].num_drafts == 2);
  auto progress = batch.apply(answer(step, {{4, 5, 6}}));
  REQUIRE(progress.size() == 3);
  CHECK_FALSE(progress[1].end);
  CHECK(progress[2].end == finish_reason::length);

  auto limits = limits_of();
  limits.eos_token_ids = {5};
  running_batch stopping(limits);
  step = first_drafts(stopping, 2, 50);
  CHECK(step.tokens == tokens{3, 4});  // its row samples the end
  progress = stopping.apply(answer(step, {{4, 5}}));
  REQUIRE(progress.size() == 2);
  CHECK(progress[1].end == finish_reason::stop);
}

TEST_CASE("below min_tokens, and where eos is ignored, the end is a token like others") {
  auto limits = limits_of();
  limits.eos_token_ids = {5};
  running_batch batch(limits);
  auto s = entering(1, 8, 50);
  s.request.sampling.ignore_eos = true;
  batch.admit(std::move(s), {10, 11}, 0);
  batch.apply(answer(next(batch), {{3}}));
  CHECK(next(batch).tokens.size() > 2);
}

TEST_CASE("drafts ask for their page, and stay within those that are there") {
  running_batch batch(limits_of());
  batch.admit(entering(1, 14, 50), {10}, 0);  // ends with 1 2
  batch.apply(answer(next(batch), {{3}}));
  const auto lacking = batch.plan();  // positions 14, 15 are there
  REQUIRE(lacking.size() == 1);
  CHECK(lacking[0].is_for_drafts);
  CHECK(lacking[0].num_pages == 1);
  auto step = batch.build();  // denied
  CHECK(step.chunks[0].num_drafts == 1);
  CHECK(step.page_table == std::vector<page_idx>{10});
  batch.apply(answer(step, {{4, 5}}));
  // Now the row itself lacks it, too.
  const auto both = batch.plan();
  REQUIRE(both.size() == 1);
  CHECK_FALSE(both[0].is_for_drafts);
  batch.grow({1}, std::vector<page_idx>{11});
  step = batch.build();
  CHECK(step.chunks[0].num_drafts > 1);
  CHECK(step.page_table == std::vector<page_idx>{10, 11});
}

TEST_CASE("the page manager hears of the tokens that were chosen, not of guesses") {
  running_batch batch(limits_of());
  batch.admit(entering(1, 14, 50), {10, 11}, 0);
  batch.apply(answer(next(batch), {{3}}));
  auto step = next(batch);
  REQUIRE(step.chunks[0].num_drafts >= 2);  // up to position 16 at least
  auto progress = batch.apply(answer(step, {{70}}));
  CHECK_FALSE(progress.back().computed);  // positions 0 .. 14
  batch.apply(answer(next(batch), {{71}}));
  const auto& s = *batch.find({1});
  CHECK(s.num_computed == 16);
  CHECK(s.num_reported_pages == 1);
  CHECK(s.num_reported == 17);
}

TEST_CASE("a sequence that is preempted with drafts in flight goes on without them") {
  running_batch batch(limits_of());
  const auto late = first_drafts(batch, 2, 50);
  batch.find({1})->request.priority = 1;
  batch.admit(entering(2, 3, 50), {20}, 0);
  auto victim = batch.preempt();
  REQUIRE(victim);
  REQUIRE(victim->request.id == request_id{1});
  batch.admit(std::move(*victim), {30, 31}, 0);
  const auto& s = *batch.find({1});
  CHECK_FALSE(s.has_drafts_in_flight);
  CHECK(s.num_remaining() == 9);
  batch.apply(answer(late, {{4, 5}}));
  CHECK(s.generated == tokens{3});
}

TEST_CASE("under a constraint nothing is guessed") {
  running_batch batch(limits_of());
  auto s = entering(1, 8, 50);
  s.request.constraint = test::make_rule([](auto&, token_id) { return true; });
  batch.admit(std::move(s), {10, 11}, 0).mask = std::make_shared<const token_mask>(1);
  batch.apply(answer(next(batch), {{3}}));
  batch.find({1})->mask = std::make_shared<const token_mask>(1);
  CHECK(next(batch).tokens == tokens{3});
}
