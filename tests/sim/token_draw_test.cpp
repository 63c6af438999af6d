#include "sim/token_draw.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <utility>

using namespace troupe;

namespace {

constexpr token_id eos = 90;

token_draw make_draw() {
  std::vector<token_id> plain;
  for (token_id id = 0; id < 64; ++id) plain.push_back(id);
  return token_draw({std::move(plain), {eos}}, 4);
}

slot_start start_of(std::vector<token_id> history, std::uint32_t num_prompt,
                    sampling_params sampling, slot_idx slot = 0) {
  return {.slot = slot,
          .sampling = std::move(sampling),
          .history = std::move(history),
          .num_prompt_tokens = num_prompt};
}

std::vector<token_id> draw_many(token_draw& draw, slot_idx slot, int count) {
  std::vector<token_id> out;
  for (int i = 0; i < count; ++i) out.push_back(draw.draw(slot, nullptr).token);
  return out;
}

std::vector<token_id> answer_to(std::vector<token_id> prompt, sampling_params sampling) {
  auto draw = make_draw();
  const auto num_prompt = static_cast<std::uint32_t>(prompt.size());
  draw.start(start_of(std::move(prompt), num_prompt, std::move(sampling)));
  return draw_many(draw, 0, 40);
}

token_mask mask_of(std::initializer_list<token_id> tokens) {
  token_mask mask(4);
  for (auto token : tokens) mask[static_cast<std::size_t>(token) / 32] |= 1U << (token % 32);
  return mask;
}

}  // namespace

TEST_CASE("an answer depends on its prompt and its seed") {
  const auto base = answer_to({1, 2, 3}, {.seed = 7});
  CHECK(std::set<token_id>(base.begin(), base.end()).size() > 10);
  CHECK(answer_to({1, 2, 3}, {.seed = 7}) == base);
  CHECK(answer_to({1, 2, 3}, {.seed = 8}) != base);
  CHECK(answer_to({1, 2, 4}, {.seed = 7}) != base);
}

TEST_CASE("a greedy answer depends on its prompt alone") {
  const auto greedy = [](std::uint64_t seed) {
    return sampling_params{.temperature = 0, .seed = seed};
  };
  CHECK(answer_to({5}, greedy(1)) == answer_to({5}, greedy(2)));
  CHECK(answer_to({5}, greedy(1)) != answer_to({6}, greedy(1)));
}

TEST_CASE("a preempted answer goes on as if nothing had happened") {
  const auto whole = answer_to({1, 2, 3}, {.seed = 7});
  auto draw = make_draw();
  std::vector<token_id> history{1, 2, 3};
  history.insert(history.end(), whole.begin(), whole.begin() + 15);
  draw.start(start_of(history, 3, {.seed = 7}, 2));
  CHECK(draw_many(draw, 2, 25) == std::vector<token_id>(whole.begin() + 15, whole.end()));
}

TEST_CASE("slots do not know each other") {
  auto draw = make_draw();
  draw.start(start_of({1, 2, 3}, 3, {.seed = 7}, 0));
  draw.start(start_of({4}, 1, {.seed = 7}, 1));
  std::vector<token_id> first;
  for (int i = 0; i < 40; ++i) {
    first.push_back(draw.draw(0, nullptr).token);
    draw.draw(1, nullptr);
  }
  CHECK(first == answer_to({1, 2, 3}, {.seed = 7}));
}

TEST_CASE("stop tokens come only after min_tokens") {
  sampling_params sampling{.seed = 3, .min_tokens = 20};
  for (token_id id = 0; id < 60; ++id) sampling.stop_token_ids.push_back(id);
  const auto answer = answer_to({1}, sampling);
  CHECK(std::all_of(answer.begin(), answer.begin() + 20, [](token_id t) { return t >= 60; }));
  CHECK(std::any_of(answer.begin() + 20, answer.end(), [](token_id t) { return t < 60; }));
}

TEST_CASE("a mask is kept to, and the end is taken where it may come") {
  auto draw = make_draw();
  draw.start(start_of({1}, 1, {.seed = 3, .min_tokens = 3}));
  const auto mask = mask_of({70, 71, eos});
  for (int i = 0; i < 3; ++i) {
    const auto token = draw.draw(0, &mask).token;
    CHECK((token == 70 || token == 71));
  }
  CHECK(draw.draw(0, &mask).token == eos);
}

TEST_CASE("a mask of the end alone is the end, even before min_tokens") {
  auto draw = make_draw();
  draw.start(start_of({1}, 1, {.min_tokens = 3}));
  const auto mask = mask_of({eos});
  CHECK(draw.draw(0, &mask).token == eos);
}

TEST_CASE("logprobs are those of equal chances") {
  auto draw = make_draw();
  draw.start(start_of({1}, 1, {.num_logprobs = 2}));
  const auto sampled = draw.draw(0, nullptr);
  CHECK(sampled.logprob == doctest::Approx(-std::log(64.0)));
  REQUIRE(sampled.most_likely.size() == 2);
  CHECK(sampled.most_likely[1].logprob == sampled.logprob);
}
