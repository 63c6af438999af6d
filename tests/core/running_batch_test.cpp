#include "core/running_batch.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

engine_limits small_limits() {
  engine_limits limits;
  limits.max_num_seqs = 2;
  limits.max_num_batched_tokens = 8;
  limits.eos_token_ids = {99};
  return limits;
}

sequence entering(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens) {
  sequence s;
  s.request.id = {id};
  for (std::uint32_t i = 0; i < num_prompt; ++i) s.request.prompt.push_back(token_id(i + 1));
  s.request.sampling.max_tokens = max_tokens;
  return s;
}

step_result answer(const step_batch& batch, token_id token) {
  step_result result{.id = batch.id};
  for (auto& c : batch.chunks)
    if (c.sample) result.samples.push_back({c.slot, {.token = token}});
  return result;
}

}  // namespace

TEST_CASE("a prompt is cut into chunks; the last one samples") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 12, 3), {5}, 0);
  CHECK(batch.plan().empty());
  auto first = batch.build();
  REQUIRE(first.chunks.size() == 1);
  CHECK(first.starts.size() == 1);
  CHECK(first.chunks[0].num_tokens == 8);
  CHECK_FALSE(first.chunks[0].sample);
  batch.plan();
  auto second = batch.build();
  CHECK(second.starts.empty());
  CHECK(second.chunks[0].first_position == 8);
  CHECK(second.chunks[0].sample);
  CHECK(second.tokens == std::vector<token_id>{9, 10, 11, 12});
}

TEST_CASE("two steps in flight: the second feeds back the token that nobody knows yet") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 4, 3), {5}, 0);
  batch.plan();
  auto first = batch.build();
  batch.plan();
  auto second = batch.build();
  CHECK(second.tokens == std::vector{last_sampled});
  CHECK(second.chunks[0].first_position == 4);
  auto progress = batch.apply(answer(first, 7));
  REQUIRE(progress.size() == 1);
  CHECK(progress[0].token->token == 7);
  CHECK_FALSE(progress[0].end);
  CHECK(batch.plan().empty());
  auto third = batch.build();  // the third and last token; 7's successor is still unknown
  CHECK(third.tokens == std::vector{last_sampled});
  CHECK_FALSE(batch.apply(answer(second, 8))[0].end);
  CHECK(batch.apply(answer(third, 9))[0].end == finish_reason::length);
}

TEST_CASE("the page of the next row is known before its step") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 15, 3), {5}, 0);
  batch.plan();
  batch.build();
  CHECK(batch.lacking_ahead().empty());  // a prompt in work has its pages
  batch.plan();
  auto last_of_prompt = batch.build();
  CHECK(batch.lacking_ahead().empty());  // position 15 is the page's last
  batch.apply(answer({.id = {1}}, 0));
  batch.apply(answer(last_of_prompt, 7));
  CHECK(batch.plan().empty());
  auto step = batch.build();
  auto ahead = batch.lacking_ahead();
  REQUIRE(ahead.size() == 1);
  CHECK(ahead[0].request == request_id{1});
  CHECK(ahead[0].num_pages == 1);
  batch.grow({1}, std::vector<page_idx>{6});
  CHECK(batch.lacking_ahead().empty());
  batch.apply(answer(step, 8));
  CHECK(batch.plan().empty());  // nothing is asked for any more
  batch.build();
  CHECK(batch.lacking_ahead().empty());  // that was the last token
}

TEST_CASE("a row that gives its last token lacks nothing") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 16, 1), {5}, 8);
  batch.plan();
  auto only = batch.build();
  CHECK(only.chunks[0].sample);
  CHECK(batch.lacking_ahead().empty());
}

namespace {

token_mask_ptr mask_of(std::uint32_t bits) {
  return std::make_shared<const token_mask>(token_mask{bits});
}

sequence bound(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t max_tokens) {
  auto s = entering(id, num_prompt, max_tokens);
  s.request.constraint = test::make_rule([](auto&, token_id) { return true; });
  return s;
}

// Ids 1 and 2 are constrained and free; their prompts are computed, their first tokens known.
running_batch two_rows() {
  running_batch batch(small_limits());
  batch.admit(bound(1, 4, 9), {5}, 0);
  batch.admit(entering(2, 3, 9), {6}, 0);
  batch.plan();
  const auto first = batch.build();
  batch.settle(*batch.find({1}), {{}, mask_of(1)});
  CHECK(batch.take_masks()->masks.size() == 1);
  const auto slots = {first.chunks[0].slot, first.chunks[1].slot};
  step_result result{.id = first.id};
  for (auto slot : slots) result.samples.push_back({slot, {.token = 7}});
  batch.apply(result);
  return batch;
}

}  // namespace

TEST_CASE("a constrained row is computed before its mask is known") {
  running_batch batch(small_limits());
  batch.admit(bound(1, 4, 9), {5}, 0);
  batch.admit(entering(2, 3, 9), {6}, 0);
  CHECK_FALSE(batch.step_without_masks());
  batch.plan();
  auto first = batch.build();
  REQUIRE(first.chunks.size() == 2);
  CHECK(first.chunks[0].sample);
  CHECK(first.chunks[0].num_tokens == 4);
  CHECK(first.chunks[0].mask_idx == 0);
  CHECK(first.chunks[1].mask_idx == no_mask);
  REQUIRE(num_promised_masks(first) == 1);
  CHECK(batch.step_without_masks() == first.id);
  CHECK_FALSE(batch.take_masks());
  batch.settle(*batch.find({1}), {{}, mask_of(2)});
  CHECK_FALSE(batch.step_without_masks());
  auto masks = batch.take_masks();
  REQUIRE(masks);
  CHECK(masks->id == first.id);
  REQUIRE(masks->masks.size() == 1);
  CHECK(*masks->masks[0] == token_mask{2});
  CHECK_FALSE(batch.take_masks());  // once
  // The next step is planned before the token is known.
  batch.plan();
  auto second = batch.build();
  CHECK(second.tokens == std::vector{last_sampled, last_sampled});
  CHECK(num_promised_masks(second) == 1);
  CHECK_FALSE(batch.step_without_masks());  // nobody can know them yet
  batch.apply(
      {.id = first.id,
       .samples = {{first.chunks[0].slot, {.token = 7}}, {first.chunks[1].slot, {.token = 8}}}});
  CHECK(batch.step_without_masks() == second.id);
}

TEST_CASE("a mask that is known before its step comes with it") {
  running_batch batch(small_limits());
  batch.admit(bound(1, 4, 9), {5}, 0);
  batch.settle(*batch.find({1}), {{}, mask_of(2)});
  batch.plan();
  auto first = batch.build();
  REQUIRE(first.masks.size() == 1);
  CHECK(*first.masks[0] == token_mask{2});
  CHECK_FALSE(batch.step_without_masks());
  CHECK_FALSE(batch.take_masks());
}

TEST_CASE("a row does not sample when forced tokens come instead") {
  auto batch = two_rows();
  batch.plan();
  auto step = batch.build();
  auto& s = *batch.find({1});
  batch.settle(s, {{8, 9}, mask_of(4)});
  batch.append_forced(s, 8);
  batch.append_forced(s, 9);
  CHECK(batch.take_masks()->masks == std::vector<token_mask_ptr>{nullptr});
  auto progress = batch.apply({.id = step.id, .samples = {{step.chunks[1].slot, {.token = 8}}}});
  REQUIRE(progress.size() == 2);
  CHECK_FALSE(progress[0].token);
  CHECK(progress[1].token->token == 8);
  batch.plan();
  auto next = batch.build();
  auto chunk = std::ranges::find(next.chunks, step.chunks[0].slot, &chunk::slot);
  REQUIRE(chunk != next.chunks.end());
  CHECK(chunk->first_position == 5);
  CHECK(chunk->num_tokens == 2);
  CHECK(*next.masks.at(chunk->mask_idx) == token_mask{4});
  REQUIRE(next.starts.size() == 1);
  CHECK(next.starts[0].history == std::vector<token_id>{1, 2, 3, 4, 7, 8, 9});
}

TEST_CASE("a row whose mask is late sits out until the mask is there") {
  auto batch = two_rows();
  batch.plan();
  auto step = batch.build();
  CHECK(batch.give_up_masks() == 1);
  CHECK_FALSE(batch.step_without_masks());
  CHECK(batch.take_masks()->masks == std::vector<token_mask_ptr>{nullptr});
  batch.plan();
  auto without = batch.build();
  REQUIRE(without.chunks.size() == 1);
  CHECK(without.chunks[0].slot == step.chunks[1].slot);
  CHECK(batch.apply({.id = step.id, .samples = {{step.chunks[1].slot, {.token = 8}}}}).size() == 2);
  batch.settle(*batch.find({1}), {{}, mask_of(4)});
  batch.plan();
  auto next = batch.build();
  // The same row again, for its logits; the token is known by now.
  auto chunk = std::ranges::find(next.chunks, step.chunks[0].slot, &chunk::slot);
  REQUIRE(chunk != next.chunks.end());
  CHECK(chunk->first_position == 4);
  CHECK(next.tokens.at(chunk->first_token_idx) == 7);
  CHECK(*next.masks.at(chunk->mask_idx) == token_mask{4});
  CHECK(next.starts.empty());
}

TEST_CASE("a sequence that is no more takes its promise along") {
  auto batch = two_rows();
  batch.plan();
  auto step = batch.build();
  CHECK(batch.step_without_masks() == step.id);
  batch.remove({1});
  CHECK_FALSE(batch.step_without_masks());
  CHECK(batch.take_masks()->masks == std::vector<token_mask_ptr>{nullptr});
  auto progress = batch.apply({.id = step.id, .samples = {{step.chunks[1].slot, {.token = 8}}}});
  REQUIRE(progress.size() == 1);
  CHECK(progress[0].request == request_id{2});
}

TEST_CASE("behind forced tokens a slot begins anew, with all of them in its history") {
  running_batch batch(small_limits());
  auto bound = entering(1, 3, 9);
  bound.request.constraint = test::make_rule([](auto&, token_id) { return true; });
  batch.admit(std::move(bound), {5}, 0).mask = std::make_shared<const token_mask>(1);
  batch.plan();
  const auto first = batch.build();
  CHECK(first.starts.size() == 1);
  batch.apply(answer(first, 7));
  CHECK_FALSE(batch.append_forced(*batch.find({1}), 8));
  CHECK_FALSE(batch.append_forced(*batch.find({1}), 9));
  batch.find({1})->mask = std::make_shared<const token_mask>(1);
  batch.plan();
  const auto second = batch.build();
  CHECK(second.masks.at(0) != nullptr);
  REQUIRE(second.starts.size() == 1);
  CHECK(second.starts[0].history == std::vector<token_id>{1, 2, 3, 7, 8, 9});
  CHECK(second.starts[0].num_prompt_tokens == 3);
  CHECK(second.tokens == std::vector<token_id>{7, 8, 9});
  CHECK(second.chunks[0].first_position == 3);
  CHECK(second.chunks[0].sample);
  batch.apply(answer(second, 10));
  CHECK(batch.append_forced(*batch.find({1}), 99) == finish_reason::stop);
}

TEST_CASE("a preempted sequence leaves its mask behind") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 4, 9), {5}, 0);
  auto bound = entering(2, 4, 9);
  bound.request.constraint = test::make_rule([](auto&, token_id) { return true; });
  batch.admit(std::move(bound), {6}, 0).mask = std::make_shared<const token_mask>(1);
  auto victim = batch.preempt();
  REQUIRE(victim);
  CHECK(batch.admit(std::move(*victim), {6}, 0).mask == nullptr);
}

TEST_CASE("a result for a sequence that ended or was preempted is dropped") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 4, 9), {5}, 0);
  batch.admit(entering(2, 4, 9), {6}, 0);
  batch.plan();
  auto first = batch.build();
  batch.plan();
  auto second = batch.build();
  batch.apply(answer(first, 7));
  auto victim = batch.preempt();
  REQUIRE(victim);
  CHECK(victim->request.id == request_id{2});
  CHECK(victim->generated == std::vector<token_id>{7});
  batch.admit(std::move(*victim), {6}, 0);
  auto progress = batch.apply(answer(second, 8));
  REQUIRE(progress.size() == 1);
  CHECK(progress[0].request == request_id{1});
  batch.plan();
  auto again = batch.build();
  REQUIRE(again.starts.size() == 1);
  CHECK(again.starts[0].history == std::vector<token_id>{1, 2, 3, 4, 7});
  CHECK(again.starts[0].num_prompt_tokens == 4);
}

TEST_CASE("growth is asked for before the row that needs it") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 16, 9), {5}, 8);
  CHECK(batch.plan().empty());
  batch.build();
  auto lacking = batch.plan();
  REQUIRE(lacking.size() == 1);
  CHECK(lacking[0].num_pages == 1);
  std::vector<page_idx> more{9};
  batch.grow({1}, more);
  auto step = batch.build();
  CHECK(step.page_table == std::vector<page_idx>{5, 9});
}

TEST_CASE("full pages are reported once, with the tokens that filled them") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 15, 9), {5}, 8);
  batch.plan();
  auto first = batch.build();
  CHECK_FALSE(batch.apply(answer(first, 7))[0].computed);
  batch.plan();
  auto second = batch.build();
  auto report = batch.apply(answer(second, 8))[0].computed;
  REQUIRE(report);
  CHECK(report->num_computed == 16);
  CHECK(report->more == std::vector<token_id>{7, 8});
}

TEST_CASE("a slot comes back") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 4, 9), {5}, 0);
  batch.admit(entering(2, 4, 9), {6}, 0);
  CHECK_FALSE(batch.has_free_slot());
  CHECK(batch.remove({1}));
  CHECK_FALSE(batch.remove({1}));
  CHECK(batch.has_free_slot());
}

TEST_CASE("sequences are found by their slots, also after one before them has left") {
  running_batch batch(small_limits());
  batch.admit(entering(1, 2, 9), {5}, 0);
  auto slot = batch.admit(entering(2, 2, 9), {6}, 0).slot;
  batch.plan();
  auto step = batch.build();
  auto gone = batch.remove({1});
  REQUIRE(gone);
  auto* second = batch.find({2}, slot);
  REQUIRE(second);
  CHECK(second->request.id == request_id{2});
  CHECK_FALSE(batch.find({1}, gone->slot));
  batch.admit(entering(3, 2, 9), {7}, 0);  // takes the free slot
  CHECK(batch.find({3}, gone->slot));
  CHECK_FALSE(batch.find({1}, gone->slot));
  auto progress = batch.apply(answer(step, 42));
  REQUIRE(progress.size() == 1);
  CHECK(progress[0].request == request_id{2});
  CHECK(progress[0].slot == slot);
}
