// The device's sampler against model/sampler.hpp, token for token.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "cuda/sample_case.hpp"
#include "simt/machine.hpp"

namespace troupe::cuda {
namespace {

class source {
 public:
  explicit source(unsigned seed) : random_(seed) {}
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  float normal(float scale) { return std::normal_distribution<float>(0, scale)(random_); }
  template <class T>
  T any_of(std::initializer_list<T> values) {
    return *(values.begin() + below(static_cast<std::uint32_t>(values.size())));
  }

 private:
  std::mt19937 random_;
};

// Rows as models make them, and as no model should: many equals, infinities, some NaN.
std::vector<float> draw_logits(source& random, std::uint32_t num_columns) {
  std::vector<float> row(num_columns);
  const float scale = random.any_of({0.5F, 2.0F, 6.0F, 30.0F});
  for (float& x : row) x = random.normal(scale);
  const std::uint32_t kind = random.below(8);
  if (kind == 0) {
    for (float& x : row) x = std::round(x);
  }
  if (kind == 1) std::fill(row.begin(), row.end(), random.any_of({0.0F, -0.0F, 3.5F}));
  if (kind == 2) {
    for (float& x : row) x = random.one_in(2) ? 0.0F : -0.0F;
  }
  if (kind == 3) {
    for (float& x : row) {
      if (random.one_in(10)) x = random.any_of({NAN, -INFINITY});
    }
  }
  if (kind == 4 && random.one_in(3)) row[random.below(num_columns)] = INFINITY;
  if (kind == 5 && random.one_in(3)) std::fill(row.begin(), row.end(), -INFINITY);
  return row;
}

sampling_params draw_params(source& random, std::uint32_t num_tokens) {
  sampling_params p;
  p.temperature = random.any_of({0.0F, 1e-6F, 0.05F, 0.7F, 1.0F, 1.0F, 1.7F, 10.0F});
  p.top_p = random.any_of({1.0F, 1.0F, 0.95F, 0.5F, 0.1F, 1e-6F});
  p.top_k = random.any_of({0, 0, 1, 2, 20, 50, 1000, 1 << 30});
  p.min_p = random.any_of({0.0F, 0.0F, 0.0F, 0.05F, 0.5F, 1.0F});
  if (random.one_in(3)) p.presence_penalty = random.any_of({0.5F, -1.0F, 2.0F});
  if (random.one_in(3)) p.frequency_penalty = random.any_of({0.3F, -0.7F});
  if (random.one_in(3)) p.repetition_penalty = random.any_of({1.1F, 0.8F, 2.0F});
  p.seed = random.below(1000) * 0x100000001ULL;
  p.max_tokens = 50;
  if (random.one_in(4)) p.min_tokens = random.below(8);
  p.num_logprobs = random.any_of({-1, -1, 0, 1, 5});
  for (std::uint32_t i = random.below(3); i > 0; --i) {
    p.stop_token_ids.push_back(static_cast<token_id>(random.below(num_tokens + 5)));
  }
  if (random.one_in(3)) {
    for (std::uint32_t i = random.below(40); i > 0; --i) {
      // Some twice: sums of floats depend on their order.
      const auto token = static_cast<token_id>(random.below(std::min(num_tokens + 2, 30U)));
      p.logit_bias.emplace_back(token, random.one_in(9) ? -INFINITY : random.normal(4));
    }
  }
  return p;
}

slot_start draw_start(source& random, slot_idx slot, std::uint32_t num_tokens) {
  slot_start start;
  start.slot = slot;
  start.sampling = draw_params(random, num_tokens);
  start.num_prompt_tokens = 1 + random.below(30);
  const std::uint32_t length = start.num_prompt_tokens + random.below(20);
  for (std::uint32_t i = 0; i < length; ++i) {
    // Few different ones, so that they repeat; now and then one that the tokenizer does not know.
    start.history.push_back(static_cast<token_id>(random.below(std::min(num_tokens + 3, 25U))));
  }
  return start;
}

token_mask draw_mask(source& random, std::uint32_t num_tokens) {
  const std::uint32_t kind = random.below(4);
  token_mask mask(mask_words(num_tokens), kind == 0 ? ~0U : 0U);
  if (kind == 1) {
    mask[random.below(static_cast<std::uint32_t>(mask.size()))] = 1U << random.below(32);
  }
  if (kind >= 2) {
    for (auto& word : mask) word = random.below(1U << 31U) * 3;
  }
  // Ids that do not exist are in no mask.
  if (num_tokens % 32 != 0) mask.back() &= (1U << (num_tokens % 32)) - 1;
  return mask;
}

sampled_rows draw_rows(source& random, slot_idx slot, std::uint32_t num_tokens,
                       std::uint32_t num_columns) {
  sampled_rows rows;
  rows.slot = slot;
  rows.logits.push_back(draw_logits(random, num_columns));
  if (random.one_in(3)) {
    rows.mask = draw_mask(random, num_tokens);
    // What a mask leaves must not be NaN alone: such a row ends the step.
    for (float& x : rows.logits[0]) x = std::isnan(x) ? -INFINITY : x;
  }
  while (random.one_in(3) && rows.drafts.size() < 3) {
    // Likely to be right now and then.
    const auto& row = rows.logits.back();
    const auto best = std::max_element(row.begin(), row.begin() + num_tokens) - row.begin();
    rows.drafts.push_back(static_cast<token_id>(best));
    rows.logits.push_back(draw_logits(random, num_columns));
  }
  return rows;
}

void compare_many(unsigned seed, std::uint32_t num_tokens, std::uint32_t num_columns,
                  std::uint32_t num_ranks, std::uint32_t num_sequences, std::uint32_t num_steps) {
  CAPTURE(seed);
  source random(seed);
  constexpr std::uint32_t num_slots = 3;
  std::vector<token_id> eos;
  if (!random.one_in(4)) eos = {static_cast<token_id>(random.below(num_tokens)), 3};
  sample_case c(num_tokens, num_columns, eos, num_slots);
  for (std::uint32_t s = 0; s < num_sequences; ++s) {
    for (slot_idx slot = 0; slot < num_slots; ++slot) {
      c.start(draw_start(random, slot, num_tokens));
    }
    for (std::uint32_t i = 0; i < num_steps; ++i) {
      std::vector<sampled_rows> rows;
      for (const slot_idx slot : {2U, 0U, 1U}) {
        rows.push_back(draw_rows(random, slot, num_tokens, num_columns));
      }
      c.step(rows, num_ranks, 1 + random.below(3));
    }
  }
  CHECK(c.num_compared() >= std::uint64_t{3} * num_sequences * num_steps);
}

TEST_CASE("Sampling chooses what the host's sampler chooses, token for token") {
  compare_many(1, 1000, 1024, 1, 25, 3);
  compare_many(2, 331, 331, 1, 25, 3);
  compare_many(3, 2051, 2304, 1, 12, 2);
  compare_many(4, 31, 40, 1, 15, 3);
}

TEST_CASE("Sampling reads the logits of every rank") {
  compare_many(5, 1000, 1024, 2, 6, 2);
  compare_many(6, 500, 504, 8, 6, 2);
}

TEST_CASE("Sampling over a whole vocabulary") { compare_many(7, 151665, 151936, 1, 2, 1); }

TEST_CASE("Sampling forbids the end below min_tokens, and not beyond") {
  sample_case c(40, 40, {7}, 1);
  slot_start start;
  start.history = {1, 2, 3};
  start.num_prompt_tokens = 2;
  start.sampling.min_tokens = 3;
  start.sampling.stop_token_ids = {8};
  start.sampling.logit_bias = {{9, 0.5F}};
  c.start(start);
  sampled_rows rows;
  rows.logits.emplace_back(40, 0.0F);
  rows.logits[0][7] = 60.0F;
  rows.logits[0][8] = 50.0F;
  for (int i = 0; i < 2; ++i) {
    c.step({rows});
    CHECK((c.tokens()[0] != 7 && c.tokens()[0] != 8));
  }
  c.step({rows});
  CHECK(c.tokens()[0] == 7);
}

TEST_CASE("Sampling draws by the probabilities") {
  const std::vector<double> expected{0.4, 0.3, 0.2, 0.07, 0.03};
  sampled_rows rows;
  rows.logits.emplace_back();
  for (const double p : expected) rows.logits[0].push_back(static_cast<float>(std::log(p)));
  rows.logits[0].resize(40, -100.0F);
  sample_case c(40, 40, {}, 1);
  slot_start start;
  start.history = {1};
  start.num_prompt_tokens = 1;
  start.sampling.seed = 11;
  c.start(start);
  constexpr int draws = 500;
  std::vector<double> counts(expected.size());
  for (int i = 0; i < draws; ++i) {
    c.step({rows}, 1, 1);
    ++counts.at(static_cast<std::size_t>(c.tokens()[0]));
  }
  double chi_square = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double mean = expected[i] * draws;
    chi_square += (counts[i] - mean) * (counts[i] - mean) / mean;
  }
  CHECK(chi_square < 18.5);  // 4 degrees of freedom: one in a thousand is above
}

TEST_CASE("Sampling of what is no number ends the step, as on the host") {
  for (const std::uint32_t num_ranks : {1U, 2U}) {
    for (const bool has_mask : {false, true}) {
      sample_case c(40, 40, {7}, 2);
      c.start({.slot = 0, .history = {1}, .num_prompt_tokens = 1});
      c.start({.slot = 1, .history = {1}, .num_prompt_tokens = 1});
      sampled_rows fine{.slot = 0, .logits = {std::vector<float>(40, -INFINITY)}};
      c.step({fine}, num_ranks);
      CHECK((c.fault() == device_fault::none));
      CHECK(c.tokens()[0] == 7);
      sampled_rows broken{.slot = 1, .logits = {std::vector<float>(40, -INFINITY)}};
      broken.logits[0][23] = NAN;
      if (has_mask) broken.mask = token_mask(mask_words(40), 1U << 23U);
      c.step({fine, broken}, num_ranks);
      CHECK((c.fault() == device_fault::no_numbers));
      CHECK(c.tokens()[1] >= 0);
      CHECK(c.tokens()[1] < 40);
    }
  }
}

TEST_CASE("Samples of another rank are stored: the last of each slot") {
  device_array<chosen_token> chosen(std::vector<chosen_token>{
      {5, 0}, {6, 0}, {not_sampled, 0}, {7, 0}, {not_sampled, 0}, {8, 0}});
  device_array<std::uint32_t> slots(std::vector<std::uint32_t>{2, 2, 2, 0, 3, 1});
  const std::vector<std::int32_t> expected{7, 8, 6, 1};
  // In many orders of the threads.
  for (int i = 0; i < 16; ++i) {
    device_array<std::int32_t> next(std::vector<std::int32_t>(4, 1));
    REQUIRE(is_fine(store_samples({chosen.data(), slots.data(), next.data(), 6}, nullptr)));
    CHECK(next.is_whole());
    CHECK(std::equal(expected.begin(), expected.end(), next.values().begin()));
  }
}

TEST_CASE("Sampling refuses shapes that it cannot do") {
  sample_args args;
  args.num_groups = 1;
  args.num_tokens = 10;
  args.columns_per_rank = 9;
  args.num_scratch_rows = 1;
  CHECK(sample(args, nullptr) == launch_error::invalid_value);
  args.columns_per_rank = 10;
  args.num_scratch_rows = 0;
  CHECK(sample(args, nullptr) == launch_error::invalid_value);
}

}  // namespace
}  // namespace troupe::cuda
