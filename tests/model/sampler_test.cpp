// The sampler against a sorted double-precision reference, Hugging Face's filters by hand, and the
// statistics of its draws.
#include "model/sampler.hpp"
#include "model/exponential.hpp"
#include "model/philox.hpp"
#include "model/runner.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using namespace troupe;

namespace {

constexpr float minus_infinity = -std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t count, unsigned seed, float deviation = 2.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> out(count);
  for (float& x : out) x = normal(random);
  return out;
}

token_id choose(std::span<const float> logits, const choice_params& params, std::uint64_t random,
                choice_scratch& scratch) {
  return choose_token(with_maxima(logits, scratch.row_maxima), params, random, scratch);
}

// Hugging Face's warpers in double precision, with a sort: the probabilities of the kept tokens.
std::vector<double> reference_probabilities(const std::vector<float>& logits,
                                            const choice_params& params) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return logits[a] < logits[b]; });
  std::vector<double> p(logits.size());
  const double highest = logits[order.back()];
  for (std::size_t i = 0; i < p.size(); ++i) {
    p[i] = std::exp((logits[i] - highest) / static_cast<double>(params.temperature));
  }
  if (params.top_k > 0 && static_cast<std::size_t>(params.top_k) < p.size()) {
    const float kth = logits[order[p.size() - static_cast<std::size_t>(params.top_k)]];
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = logits[i] < kth ? 0.0 : p[i];
  }
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  if (params.top_p < 1.0F) {
    double cumulative = 0;
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
      cumulative += p[order[i]];
      if (cumulative > (1.0 - static_cast<double>(params.top_p)) * total) break;
      p[order[i]] = 0;
    }
  }
  for (double& x : p) x = x < static_cast<double>(params.min_p) ? 0.0 : x;
  const double kept = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= kept;
  return p;
}

// The token at which the reference's running sum passes random / 2^64; -1 when the two are too
// near for double against 2^-30 to decide.
token_id reference_choice(const std::vector<double>& probabilities, std::uint64_t random) {
  const double target = static_cast<double>(random) * 0x1p-64;
  double running = 0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    running += probabilities[i];
    if (std::fabs(running - target) < 1e-5) return -1;
    if (running > target) return static_cast<token_id>(i);
  }
  return -1;
}

void check_kept(const std::vector<float>& logits, const choice_params& params,
                const std::vector<token_id>& expected) {
  choice_scratch scratch;
  std::vector<token_id> seen;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    seen.push_back(choose(logits, params, random_bits(7, i), scratch));
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  CHECK(seen == expected);
}

std::vector<float> log_of(std::vector<float> probabilities) {
  for (float& p : probabilities) p = std::log(p);
  return probabilities;
}

}  // namespace

TEST_CASE("philox gives the published numbers") {
  using words = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == words{0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U});
  CHECK(philox({0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}, {0xA4093822U, 0x299F31D0U}) ==
        words{0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U});
}

TEST_CASE("the exponential is within 2e-7 of exp") {
  double largest = 0;
  for (float x = -87.0F; x < 88.0F; x += 0.001F) {
    const double exact = std::exp(static_cast<double>(x));
    largest = std::max(largest, std::fabs(exponential(x) - exact) / exact);
  }
  CHECK(largest <= 2e-7);
  CHECK(exponential(0.0F) == 1.0F);
  CHECK(exponential(-88.0F) == 0.0F);
  CHECK(exponential(minus_infinity) == 0.0F);
  CHECK(std::isnan(exponential(std::nanf(""))));
}

TEST_CASE("choices agree with a sorted double-precision reference") {
  choice_scratch scratch;
  int undecided = 0;
  std::mt19937_64 random(3);
  for (unsigned trial = 0; trial < 400; ++trial) {
    const auto logits = random_logits(50 + trial * 5, trial, trial % 3 == 0 ? 0.2F : 3.0F);
    const choice_params params{0.3F + 0.1F * static_cast<float>(trial % 12),
                               trial % 4 == 0 ? 1.0F : 0.5F + 0.06F * static_cast<float>(trial % 8),
                               trial % 5 == 0 ? 0 : static_cast<std::int32_t>(trial % 60),
                               trial % 7 == 0 ? 0.05F : 0.0F};
    const auto probabilities = reference_probabilities(logits, params);
    for (int draw = 0; draw < 5; ++draw) {
      const std::uint64_t bits = random();
      const token_id expected = reference_choice(probabilities, bits);
      undecided += expected < 0 ? 1 : 0;
      if (expected < 0) continue;
      CAPTURE(trial);
      CHECK(choose(logits, params, bits, scratch) == expected);
    }
  }
  CHECK(undecided < 100);
}

TEST_CASE("1e5 draws follow the probabilities") {
  const auto logits = random_logits(40, 5, 1.0F);
  const choice_params params{0.8F, 0.9F, 30, 0.0F};
  const auto probabilities = reference_probabilities(logits, params);
  std::vector<int> counts(logits.size());
  choice_scratch scratch;
  constexpr int draws = 100'000;
  for (std::uint64_t i = 0; i < draws; ++i) {
    ++counts[static_cast<std::size_t>(choose(logits, params, random_bits(42, i), scratch))];
  }
  double chi_square = 0;
  int degrees = -1;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (probabilities[i] == 0) {
      CHECK(counts[i] == 0);
      continue;
    }
    const double expected = probabilities[i] * draws;
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    ++degrees;
  }
  // Five standard deviations above the mean.
  CHECK(chi_square < degrees + 5 * std::sqrt(2.0 * degrees));
  CHECK(chi_square > degrees - 5 * std::sqrt(2.0 * degrees));
}

TEST_CASE("top_k keeps ties with the k-th") {
  check_kept({1.0F, 3.0F, 2.0F, 2.0F, 0.0F}, {1.0F, 1.0F, 2, 0.0F}, {1, 2, 3});
  check_kept({1.0F, 3.0F, 2.0F, 2.0F, 0.0F}, {1.0F, 1.0F, 1, 0.0F}, {1});
  check_kept({1.0F, 3.0F, 2.0F}, {1.0F, 1.0F, 9, 0.0F}, {0, 1, 2});
}

TEST_CASE("top_k looks at no token that is impossible, however few are left") {
  auto logits = random_logits(20'000, 3);
  const std::vector<std::uint32_t> possible{7, 8, 4'000, 19'999};
  for (std::uint32_t t = 0; t < logits.size(); ++t) {
    if (std::ranges::find(possible, t) == possible.end()) logits[t] = minus_infinity;
  }
  choice_scratch scratch;
  const choice_params params{1.0F, 0.9F, 20, 0.0F};
  const auto token = static_cast<std::uint32_t>(choose(logits, params, 1, scratch));
  CHECK(std::ranges::find(possible, token) != possible.end());
  CHECK(scratch.top_tokens == possible);
}

TEST_CASE("top_p removes from the least likely while the sum stays within 1 - top_p") {
  // Ascending 0.05, 0.15, 0.3, 0.5: cumulative 0.05, 0.2, 0.5, 1.
  const auto logits = log_of({0.3F, 0.05F, 0.5F, 0.15F});
  check_kept(logits, {1.0F, 0.96F, 0, 0.0F}, {0, 1, 2, 3});
  check_kept(logits, {1.0F, 0.9F, 0, 0.0F}, {0, 2, 3});
  check_kept(logits, {1.0F, 0.79F, 0, 0.0F}, {0, 2});
  check_kept(logits, {1.0F, 0.49F, 0, 0.0F}, {2});
  check_kept(logits, {1.0F, 1e-6F, 0, 0.0F}, {2});
  // After top_k = 2 the rest is 0.375 and 0.625: 1 - 0.6 removes the lower one.
  check_kept(logits, {1.0F, 0.6F, 2, 0.0F}, {2});
  // Among equals the lower ids are removed first.
  check_kept({0.0F, 0.0F, 0.0F, 0.0F}, {1.0F, 0.6F, 0, 0.0F}, {1, 2, 3});
}

TEST_CASE("min_p is relative to the most likely token") {
  const auto logits = log_of({0.3F, 0.05F, 0.5F, 0.15F});
  check_kept(logits, {1.0F, 1.0F, 0, 0.29F}, {0, 2, 3});
  check_kept(logits, {1.0F, 1.0F, 0, 0.31F}, {0, 2});
  check_kept(logits, {1.0F, 1.0F, 0, 1.0F}, {2});
}

TEST_CASE("greedy takes the lowest id among the highest; NaN and infinities do no harm") {
  choice_scratch scratch;
  const choice_params greedy{0.0F, 1.0F, 0, 0.0F};
  CHECK(choose(std::vector{1.0F, 5.0F, 5.0F}, greedy, 0, scratch) == 1);
  CHECK(choose(std::vector{std::nanf(""), 1.0F, 2.0F}, greedy, 0, scratch) == 2);
  const std::vector<float> odd{std::nanf(""), minus_infinity, 2.0F, minus_infinity};
  for (std::uint64_t i = 0; i < 50; ++i) {
    CHECK(choose(odd, {1.0F, 0.9F, 3, 0.0F}, random_bits(1, i), scratch) == 2);
  }
}

namespace {

struct one_slot {
  explicit one_slot(const sampling_params& params, std::vector<token_id> history = {1},
                    std::uint32_t num_prompt_tokens = 1)
      : target({6, 1, {5}}) {
    target.start({0, params, std::move(history), num_prompt_tokens, rope_kind::plain});
  }
  sampled_token next(const std::vector<float>& logits, const token_mask& mask = {}) {
    return target.sample(0, logits, mask, scratch);
  }
  sampler target;
  choice_scratch scratch;
};

sampling_params greedy_params() {
  sampling_params params;
  params.temperature = 0;
  return params;
}

}  // namespace

TEST_CASE("ids above the tokenizer's vocabulary are never chosen") {
  CHECK(one_slot(greedy_params()).next({0, 0, 1, 0, 0, 0, 9, 9}).token == 2);
}

TEST_CASE("logit_bias is added and unknown ids change nothing") {
  sampling_params params = greedy_params();
  params.logit_bias = {{3, 5.0F}, {-1, 100.0F}, {6, 100.0F}};
  CHECK(one_slot(params).next({0, 0, 1, 0, 0, 0, 0}).token == 3);
}

TEST_CASE("eos and stop ids are impossible until min_tokens") {
  sampling_params params = greedy_params();
  params.min_tokens = 2;
  params.stop_token_ids = {4};
  one_slot slot(params);
  const std::vector<float> logits{0, 1, 0, 0, 8, 9};
  CHECK(slot.next(logits).token == 1);
  CHECK(slot.next(logits).token == 1);
  CHECK(slot.next(logits).token == 5);
  // Two outputs before a preemption count.
  CHECK(one_slot(params, {1, 2, 3}, 1).next(logits).token == 5);
  CHECK(one_slot(params, {1, 2, 3}, 2).next(logits).token == 1);
}

TEST_CASE("the repetition penalty divides positive and multiplies negative logits") {
  sampling_params params = greedy_params();
  params.repetition_penalty = 2.0F;
  // Token 1 of the prompt: 4 becomes 2, below token 2's 3.
  CHECK(one_slot(params, {1}).next({0, 4, 3, 0, 0, 0}).token == 2);
  // -1 becomes -2, below -1.5.
  CHECK(one_slot(params, {1}).next({-9, -1, -1.5F, -9, -9, -9}).token == 2);
}

TEST_CASE("presence and frequency penalties count the output only") {
  sampling_params params = greedy_params();
  params.presence_penalty = 0.5F;
  params.frequency_penalty = 1.0F;
  one_slot slot(params, {1}, 1);
  const std::vector<float> logits{0, 4, 3, 0, 0, 0};
  CHECK(slot.next(logits).token == 1);  // in the prompt: no penalty
  CHECK(slot.next(logits).token == 2);  // 4 - 0.5 - 1 = 2.5
  CHECK(slot.next(logits).token == 1);  // 3 - 1.5 = 1.5 against 2.5
  CHECK(slot.next(logits).token == 1 + 1 * (4 - 0.5F - 2 < 3 - 1.5F));
}

TEST_CASE("logprobs are the raw logits' log-softmax, the most likely first") {
  sampling_params params = greedy_params();
  params.num_logprobs = 2;
  params.logit_bias = {{0, 100.0F}};
  const std::vector<float> logits{0.0F, 1.0F, 2.0F, 2.0F, -1.0F, 0.5F};
  double sum = 0;
  for (float x : logits) sum += std::exp(static_cast<double>(x));
  const sampled_token out = one_slot(params).next(logits);
  CHECK(out.token == 0);
  CHECK(out.logprob == doctest::Approx(-std::log(sum)).epsilon(1e-6));
  REQUIRE(out.most_likely.size() == 2);
  CHECK(out.most_likely[0].token == 2);
  CHECK(out.most_likely[1].token == 3);
  CHECK(out.most_likely[0].logprob == doctest::Approx(2.0 - std::log(sum)).epsilon(1e-6));
  CHECK(one_slot(greedy_params()).next(logits).most_likely.empty());
}

TEST_CASE("the draw depends on seed and position alone") {
  sampling_params params;
  params.seed = 5;
  const auto logits = random_logits(6, 1);
  one_slot a(params, {1, 2, 3}, 1);
  one_slot b(params, {3, 2, 1}, 2);
  std::vector<token_id> from_a;
  std::vector<token_id> from_b;
  for (int i = 0; i < 40; ++i) {
    from_a.push_back(a.next(logits).token);
    from_b.push_back(b.next(logits).token);
  }
  CHECK(from_a == from_b);
  params.seed = 6;
  one_slot c(params, {1, 2, 3}, 1);
  std::vector<token_id> from_c;
  for (int i = 0; i < 40; ++i) from_c.push_back(c.next(logits).token);
  CHECK(from_a != from_c);
}

TEST_CASE("a row in which nothing is possible ends the request") {
  CHECK(one_slot(greedy_params()).next(std::vector<float>(6, minus_infinity)).token == 5);
}

namespace {

// All parameters at once, differently in every trial.
sampling_params random_params(unsigned trial) {
  std::mt19937 random(trial);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  sampling_params params;
  params.temperature = below(4) == 0 ? 0.0F : 0.3F + 0.1F * static_cast<float>(below(12));
  params.top_p = below(2) == 0 ? 1.0F : 0.5F + 0.05F * static_cast<float>(below(10));
  params.top_k = below(2) == 0 ? 0 : below(40);
  params.min_p = below(3) == 0 ? 0.05F : 0.0F;
  params.presence_penalty = below(2) == 0 ? 0.0F : 0.7F;
  params.frequency_penalty = below(2) == 0 ? 0.0F : 0.3F;
  params.repetition_penalty = below(2) == 0 ? 1.0F : 1.3F;
  params.seed = trial;
  params.min_tokens = static_cast<std::uint32_t>(below(4));
  params.num_logprobs = below(3) - 1;
  for (int i = below(6); i > 0; --i) params.logit_bias.emplace_back(below(200), 4.0F);
  return params;
}

bool allows(const token_mask& mask, token_id token) {
  return ((mask[static_cast<std::size_t>(token) / 32] >> (token % 32)) & 1U) != 0;
}

token_mask mask_of(const std::vector<token_id>& tokens) {
  token_mask mask(1);
  for (token_id t : tokens) mask[0] |= 1U << t;
  return mask;
}

}  // namespace

TEST_CASE("a mask does what logits of minus infinity do, whatever the other parameters are") {
  constexpr std::uint32_t width = 200;
  const sampler_options options{width, 1, {5}};
  choice_scratch scratch;
  for (unsigned trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const sampling_params params = random_params(trial);
    const slot_start start{0, params, {1, 2, 3}, 2, rope_kind::plain};
    sampler masked(options);
    sampler reference(options);
    sampler free(options);
    for (sampler* s : {&masked, &reference, &free}) s->start(start);
    std::mt19937 random(trial);
    for (int step = 0; step < 8; ++step) {
      const auto logits = random_logits(width, random(), 3.0F);
      token_mask mask(mask_words(width));
      for (std::uint32_t& word : mask) word = random() & (trial % 2 == 0 ? random() : ~0U);
      auto removed = logits;
      for (token_id t = 0; t < static_cast<token_id>(width); ++t) {
        if (!allows(mask, t)) removed[static_cast<std::size_t>(t)] = minus_infinity;
      }
      const sampled_token got = masked.sample(0, logits, mask, scratch);
      CHECK(allows(mask, got.token));
      CHECK(got.token == reference.sample(0, removed, {}, scratch).token);
      // Logprobs are those of the raw logits, as without a mask.
      const sampled_token raw = free.sample(0, logits, {}, scratch);
      REQUIRE(got.most_likely.size() == raw.most_likely.size());
      for (std::size_t i = 0; i < raw.most_likely.size(); ++i) {
        CHECK(got.most_likely[i].token == raw.most_likely[i].token);
        CHECK(got.most_likely[i].logprob == raw.most_likely[i].logprob);
      }
      if (got.token == raw.token) CHECK(got.logprob == raw.logprob);
    }
  }
}

TEST_CASE("a mask of all tokens changes nothing, and no bias passes a mask") {
  sampling_params params = greedy_params();
  CHECK(one_slot(params).next({0, 1, 3, 2, 0, 0}, token_mask{0x3f}).token == 2);
  params.logit_bias = {{2, 100.0F}};
  CHECK(one_slot(params).next({0, 1, 3, 2, 0, 0}, mask_of({1, 3})).token == 3);
  params.repetition_penalty = 0.5F;
  params.frequency_penalty = -2.0F;
  CHECK(one_slot(params, {2, 2}, 0).next({0, 1, 3, 2, 0, 0}, mask_of({1, 3})).token == 3);
}

TEST_CASE("min_tokens keeps a masked answer open while another token is allowed") {
  sampling_params params = greedy_params();
  params.min_tokens = 9;
  params.stop_token_ids = {4};
  CHECK(one_slot(params).next({0, 1, 3, 2, 8, 9}, mask_of({1, 4, 5})).token == 1);
  CHECK(one_slot(params).next({0, 1, 3, 2, 8, 9}, mask_of({5})).token == 5);
}

TEST_CASE("a row of NaN is an error, under a mask, too: nobody gets a token that is made up") {
  const std::vector<float> nothing(6, std::nanf(""));
  CHECK_THROWS_AS(one_slot(greedy_params()).next(nothing), device_error);
  CHECK_THROWS_AS(one_slot(greedy_params()).next(nothing, mask_of({3, 4})), device_error);
}
