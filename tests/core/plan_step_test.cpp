#include "core/plan_step.hpp"

#include "rule_constraint.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

sequence make(std::uint64_t id, std::uint32_t num_prompt, std::uint32_t num_scheduled,
              std::uint32_t num_generated = 0, std::int32_t priority = 0) {
  sequence s;
  s.request.id = {id};
  s.request.prompt.assign(num_prompt, 1);
  s.request.priority = priority;
  s.request.sampling.max_tokens = 100;
  s.generated.assign(num_generated, 2);
  s.num_scheduled = num_scheduled;
  return s;
}

}  // namespace

TEST_CASE("decodes come first, then prompts oldest first, cut by the budget") {
  std::vector running{make(1, 100, 40), make(2, 8, 8, 1), make(3, 50, 0), make(4, 9, 10, 2)};
  auto plan = plan_step(running, {64});
  REQUIRE(plan.size() == 4);
  CHECK(plan[0].sequence_idx == 1);
  CHECK(plan[1].sequence_idx == 3);
  CHECK(plan[2].sequence_idx == 0);
  CHECK(plan[2].num_tokens == 60);
  CHECK(plan[3].sequence_idx == 2);
  CHECK(plan[3].num_tokens == 2);
}

TEST_CASE("beside decoding sequences a long prompt is cut shorter, short ones are not") {
  std::vector running{make(1, 1000, 64), make(2, 8, 8, 1), make(3, 50, 0), make(4, 900, 0)};
  auto plan = plan_step(running, {.max_tokens = 200, .max_long_tokens = 40});
  REQUIRE(plan.size() == 3);
  CHECK(plan[0].sequence_idx == 1);
  CHECK(plan[1].sequence_idx == 0);
  CHECK(plan[1].num_tokens == 40);
  CHECK(plan[2].sequence_idx == 2);  // the second long one has to wait: they share the rows
  CHECK(plan[2].num_tokens == 50);
  // A short one does not wait for rows that long ones may not have.
  CHECK(plan_step(running, {.max_tokens = 200, .max_long_tokens = 0}).size() == 2);
  // What the prefix cache has makes it short.
  running[0].num_cached_tokens = 900;
  CHECK(plan_step(running, {.max_tokens = 200, .max_long_tokens = 40})[1].num_tokens == 199);
  // Nobody else decodes: nobody waits.
  running[0].num_cached_tokens = 0;
  running.erase(running.begin() + 1);
  CHECK(plan_step(running, {.max_tokens = 200, .max_long_tokens = 40})[0].num_tokens == 200);
}

TEST_CASE("a sequence whose tokens are all in flight asks for no row") {
  auto s = make(1, 4, 5, 1);
  s.request.sampling.max_tokens = 2;
  s.num_in_flight = 1;
  CHECK(s.num_remaining() == 0);
  CHECK(plan_step(std::vector{s}, {64}).empty());
}

TEST_CASE("a sequence whose mask is late computes all but the row that samples") {
  std::vector running{make(1, 8, 8, 1), make(2, 8, 8, 1), make(3, 30, 10), make(4, 30, 29)};
  for (auto i : {1, 2, 3}) running[std::size_t(i)].sits_out = true;
  auto plan = plan_step(running, {64});
  REQUIRE(plan.size() == 2);
  CHECK(plan[0].sequence_idx == 0);
  CHECK(plan[1].sequence_idx == 2);
  CHECK(plan[1].num_tokens == 19);
  CHECK_FALSE(running[2].samples_after(19));
  for (auto& s : running) s.sits_out = false;
  plan = plan_step(running, {64});
  REQUIRE(plan.size() == 4);
  CHECK(plan[2].num_tokens == 20);
  CHECK(running[2].samples_after(20));
}

TEST_CASE("a page is lacking exactly when a row crosses into it") {
  auto s = make(1, 16, 15);
  s.pages = {0};
  CHECK(pages_lacking(s, 1) == 0);
  CHECK(pages_lacking(s, 2) == 1);
  CHECK(pages_lacking(s, 18) == 2);
}

TEST_CASE("the least urgent gives way, among those the youngest, but never the only one") {
  CHECK_FALSE(choose_victim(std::vector{make(1, 1, 0)}));
  CHECK(choose_victim(std::vector{make(1, 1, 0), make(2, 1, 0), make(3, 1, 0)}) == 2);
  CHECK(choose_victim(std::vector{make(1, 1, 0), make(2, 1, 0, 0, 5), make(3, 1, 0)}) == 1);
}

TEST_CASE("eos, stop tokens and length end a sequence, not before min_tokens") {
  generation_request r;
  r.sampling.max_tokens = 8;
  r.sampling.min_tokens = 3;
  r.sampling.stop_token_ids = {50};
  std::vector<token_id> eos{99};
  CHECK_FALSE(ends_with(r, 99, 2, eos));
  CHECK(ends_with(r, 99, 3, eos) == finish_reason::stop);
  CHECK(ends_with(r, 50, 3, eos) == finish_reason::stop);
  CHECK_FALSE(ends_with(r, 7, 7, eos));
  CHECK(ends_with(r, 7, 8, eos) == finish_reason::length);
  r.sampling.ignore_eos = true;
  CHECK_FALSE(ends_with(r, 99, 3, eos));
  // Nothing may follow the eos of a constrained answer.
  r.constraint = test::spell({1}, 99);
  CHECK(ends_with(r, 99, 1, eos) == finish_reason::stop);
  CHECK_FALSE(ends_with(r, 50, 2, eos));
}

TEST_CASE("a request that can never fit is named before it waits") {
  engine_limits limits;
  limits.max_model_len = 64;
  limits.num_pages = 3;
  generation_request r;
  r.sampling.max_tokens = 8;
  CHECK(find_misfit(r, limits)->field == "prompt");
  r.prompt.assign(40, 1);
  CHECK_FALSE(find_misfit(r, limits));
  r.sampling.max_tokens = 9;
  CHECK(find_misfit(r, limits)->message.find("4 KV pages") != std::string::npos);
  r.sampling.max_tokens = 25;
  CHECK(find_misfit(r, limits)->message.find("64 tokens") != std::string::npos);
  r.sampling.max_tokens = 0xffffffff;
  CHECK(find_misfit(r, limits));
}

TEST_CASE("per-request YaRN: plain RoPE while prompt and answer stay in the original window") {
  engine_limits limits;
  limits.plain_rope_window = 32;
  generation_request r;
  r.prompt.assign(24, 1);
  r.sampling.max_tokens = 8;
  CHECK(choose_rope(r, limits) == rope_kind::plain);
  r.sampling.max_tokens = 9;
  CHECK(choose_rope(r, limits) == rope_kind::scaled);
  limits.plain_rope_window = 0;
  limits.default_rope = rope_kind::scaled;
  r.sampling.max_tokens = 1;
  CHECK(choose_rope(r, limits) == rope_kind::scaled);
}

TEST_CASE("a step waits half as long for masks as the last one took, within bounds") {
  using namespace std::chrono_literals;
  CHECK(mask_patience(0) == 2ms);
  CHECK(mask_patience(0.010) == 5ms);
  CHECK(mask_patience(1) == 20ms);
}

TEST_CASE("tokens are forced up to the answer's end, and not past logprobs") {
  sequence s;
  s.request.sampling.max_tokens = 10;
  s.generated = {1, 2, 3};
  CHECK(max_forced_tokens(s) == 7);
  s.request.sampling.max_tokens = 10'000;
  CHECK(max_forced_tokens(s) == 256);
  s.request.sampling.num_logprobs = 0;
  CHECK(max_forced_tokens(s) == 0);
}
