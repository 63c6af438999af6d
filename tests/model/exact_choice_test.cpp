// The sampler against the plainest form of the same rules: everything sorted, no block skipped.
// Rows as models make them, and as no model should: many equals, infinities, NaN.
#include "model/philox.hpp"
#include "model/runner.hpp"
#include "model/sampler.hpp"
#include "model/token_mass.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <tuple>

using namespace troupe;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

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

std::vector<float> draw_logits(source& random, std::uint32_t count) {
  std::vector<float> row(count);
  const float scale = random.any_of({0.5F, 2.0F, 6.0F, 30.0F});
  for (float& x : row) x = random.normal(scale);
  const std::uint32_t first = random.below(count) / 32 * 32;  // of a block
  const auto fill_block = [&](float x) {
    for (std::uint32_t i = first; i < std::min(first + 32, count); ++i) row[i] = x;
  };
  switch (random.below(12)) {
    case 0:
      for (float& x : row) x = std::round(x);
      break;
    case 1: std::ranges::fill(row, random.any_of({0.0F, -0.0F, 3.5F})); break;
    case 2:
      for (float& x : row) x = random.one_in(2) ? 0.0F : -0.0F;
      break;
    case 3:
      for (float& x : row) x = random.one_in(10) ? random.any_of({NAN, -infinity}) : x;
      break;
    case 4: row[random.below(count)] = infinity; break;
    case 5: std::ranges::fill(row, random.any_of({-infinity, -infinity, NAN})); break;
    case 6: fill_block(-infinity); break;
    case 7: fill_block(NAN); break;
    case 8: fill_block(row[random.below(count)]); break;
    // The highest and its equals stand in several blocks.
    case 9:
      for (int i = 0; i < 5; ++i) row[random.below(count)] = 100.0F;
      break;
    case 10:
      for (float& x : row) x = std::min(x, 0.0F) - 0.0F;
      break;
    default: break;
  }
  return row;
}

sampling_params draw_params(source& random, std::uint32_t num_tokens) {
  sampling_params p;
  p.temperature = random.any_of({0.0F, 0.0F, 1e-6F, 0.05F, 0.7F, 1.0F, 1.7F, 10.0F});
  p.top_p = random.any_of({1.0F, 1.0F, 0.95F, 0.5F, 0.1F, 1e-6F});
  p.top_k = random.any_of({0, 0, 1, 2, 20, 50, 1000, 1 << 30});
  p.min_p = random.any_of({0.0F, 0.0F, 0.0F, 0.05F, 0.5F, 1.0F});
  if (random.one_in(4)) p.presence_penalty = random.any_of({0.5F, -1.0F, 2.0F});
  if (random.one_in(4)) p.frequency_penalty = random.any_of({0.3F, -0.7F});
  if (random.one_in(4)) p.repetition_penalty = random.any_of({1.1F, 0.8F, 2.0F});
  p.seed = random.below(1000) * 0x100000001ULL;
  p.max_tokens = 50;
  if (random.one_in(5)) p.min_tokens = random.below(4);
  p.num_logprobs = random.any_of({-1, -1, -1, 0, 3});
  for (std::uint32_t i = random.below(3); i > 0; --i) {
    p.stop_token_ids.push_back(static_cast<token_id>(random.below(num_tokens + 5)));
  }
  if (random.one_in(4)) {
    for (std::uint32_t i = random.below(40); i > 0; --i) {
      const auto token = static_cast<token_id>(random.below(std::min(num_tokens + 2, 90U)));
      p.logit_bias.emplace_back(token, random.one_in(9) ? -infinity : random.normal(4));
    }
  }
  return p;
}

token_mask draw_mask(source& random, std::uint32_t num_tokens) {
  const std::uint32_t kind = random.below(5);
  token_mask mask(mask_words(num_tokens), kind == 0 ? ~0U : 0U);
  if (kind == 1)
    mask[random.below(static_cast<std::uint32_t>(mask.size()))] = 1U << random.below(32);
  if (kind >= 2) {
    for (auto& word : mask) word = random.one_in(3) ? 0 : random.below(1U << 31U) * 3;
  }
  if (num_tokens % 32 != 0) mask.back() &= (1U << (num_tokens % 32)) - 1;
  return mask;
}

// What a slot remembers, and every rule of model/sampler.hpp in turn.
class plain_sampler {
 public:
  plain_sampler(std::uint32_t num_tokens, std::vector<token_id> eos, const slot_start& start)
      : num_tokens_(num_tokens), eos_(std::move(eos)), params_(start.sampling) {
    for (std::size_t i = 0; i < start.history.size(); ++i) {
      uses_[start.history[i]] += i < start.num_prompt_tokens ? 0U : 1U;
    }
    position_ = start.history.size();
    num_outputs_ = static_cast<std::uint32_t>(start.history.size() - start.num_prompt_tokens);
  }

  token_id sample(const std::vector<float>& logits, std::span<const std::uint32_t> mask) {
    const std::vector<float> row = adjusted(logits, mask);
    token_id token = choose(row);
    if (!(row[static_cast<std::size_t>(token)] > -infinity)) {
      if (std::ranges::any_of(logits, [](float x) { return std::isnan(x); })) {
        throw device_error("NaN");
      }
      token = eos_.empty() ? token : eos_.front();
      for (std::uint32_t t = num_tokens_; t-- > 0 && !mask.empty();) {
        if (is_allowed(mask, t)) token = static_cast<token_id>(t);
      }
    }
    ++position_;
    ++num_outputs_;
    ++uses_[token];
    return token;
  }

 private:
  static bool is_allowed(std::span<const std::uint32_t> mask, std::uint32_t token) {
    return (mask[token / 32] >> (token % 32) & 1U) != 0;
  }

  std::vector<float> adjusted(const std::vector<float>& logits,
                              std::span<const std::uint32_t> mask) const {
    std::vector<float> row(logits.begin(), logits.begin() + num_tokens_);
    const auto known = [&](token_id t) {
      return t >= 0 && static_cast<std::uint32_t>(t) < num_tokens_;
    };
    const auto at = [&](token_id t) -> float& { return row[static_cast<std::size_t>(t)]; };
    for (std::uint32_t t = 0; t < num_tokens_ && !mask.empty(); ++t) {
      if (!is_allowed(mask, t)) row[t] = -infinity;
    }
    for (const auto& [token, bias] : params_.logit_bias) {
      if (known(token)) at(token) += bias;
    }
    std::vector<token_id> ends = eos_;
    ends.insert(ends.end(), params_.stop_token_ids.begin(), params_.stop_token_ids.end());
    for (const token_id token : ends) {
      if (num_outputs_ < params_.min_tokens && known(token)) at(token) = -infinity;
    }
    for (const auto& [token, count] : uses_) {
      if (!known(token)) continue;
      float& x = at(token);
      x = x > 0 ? x / params_.repetition_penalty : x * params_.repetition_penalty;
      if (count == 0) continue;
      x -= params_.presence_penalty;
      x -= params_.frequency_penalty * static_cast<float>(count);
    }
    return row;
  }

  token_id choose(const std::vector<float>& row) const {
    float best = -infinity;
    for (const float x : row) best = x > best ? x : best;
    if (params_.temperature < 1e-5F || !std::isfinite(best)) {
      const auto found = std::ranges::find(row, best);
      return found == row.end() ? 0 : static_cast<token_id>(found - row.begin());
    }
    return draw(masses_of(row, {best, 1.0F / params_.temperature}));
  }

  // Of each id, after top_k, top_p and min_p.
  std::vector<std::uint32_t> masses_of(const std::vector<float>& row, exponent_of exponent) const {
    std::vector<std::uint32_t> order;  // ascending
    for (std::uint32_t t = 0; t < num_tokens_; ++t) {
      if (row[t] > -infinity) order.push_back(t);
    }
    std::ranges::stable_sort(order, [&](auto a, auto b) { return row[a] < row[b]; });
    const auto k = static_cast<std::size_t>(params_.top_k);
    const float kth =
        params_.top_k > 0 && k < order.size() ? row[order[order.size() - k]] : -infinity;
    std::vector<std::uint32_t> masses(num_tokens_);
    std::uint64_t total = 0;
    for (const std::uint32_t t : order) {
      masses[t] = row[t] >= kth ? token_mass(exponent(row[t])) : 0;
      total += masses[t];
    }
    std::uint64_t below = 0;
    for (std::size_t i = 0; i + 1 < order.size() && params_.top_p < 1; ++i) {
      below += masses[order[i]];
      if (below > removable_mass(params_.top_p, total)) break;
      masses[order[i]] = 0;
    }
    for (auto& mass : masses) mass = mass < least_mass(params_.min_p) ? 0 : mass;
    return masses;
  }

  token_id draw(const std::vector<std::uint32_t>& masses) const {
    std::uint64_t total = 0;
    for (const auto mass : masses) total += mass;
    __extension__ using wide = unsigned __int128;
    const auto target =
        static_cast<std::uint64_t>(wide{random_bits(params_.seed, position_)} * total >> 64U);
    std::uint64_t running = 0;
    for (std::size_t t = 0; t < masses.size(); ++t) {
      running += masses[t];
      if (running > target) return static_cast<token_id>(t);
    }
    return 0;
  }

  std::uint32_t num_tokens_;
  std::vector<token_id> eos_;
  sampling_params params_;
  std::map<token_id, std::uint32_t> uses_;
  std::uint64_t position_ = 0;
  std::uint32_t num_outputs_ = 0;
};

bool same(const sampled_token& a, const sampled_token& b) {
  if (a.token != b.token || a.most_likely.size() != b.most_likely.size()) return false;
  const auto same_float = [](float x, float y) { return x == y || (x != x && y != y); };
  for (std::size_t i = 0; i < a.most_likely.size(); ++i) {
    if (a.most_likely[i].token != b.most_likely[i].token) return false;
    if (!same_float(a.most_likely[i].logprob, b.most_likely[i].logprob)) return false;
  }
  return same_float(a.logprob, b.logprob);
}

// Maxima of the first num_tokens ids by blocks, as a device gives them with blocks to spare.
std::vector<float> maxima_of(const std::vector<float>& logits, std::uint32_t num_tokens) {
  std::vector<float> maxima((logits.size() + 31) / 32 + 3, -infinity);
  for (std::uint32_t t = 0; t < num_tokens; ++t) {
    if (logits[t] > maxima[t / 32]) maxima[t / 32] = logits[t];
  }
  return maxima;
}

struct counts {
  int tokens = 0;
  int failures = 0;
};

// One sequence of some tokens, by the plain sampler, by the real one, and by the real one that is
// given the maxima.
void compare(source& random, std::uint32_t num_tokens, std::uint32_t num_columns, counts& seen) {
  slot_start start;
  start.sampling = draw_params(random, num_tokens);
  start.num_prompt_tokens = 1 + random.below(30);
  for (std::uint32_t i = start.num_prompt_tokens + random.below(20); i > 0; --i) {
    start.history.push_back(static_cast<token_id>(random.below(num_tokens + 3)));
  }
  std::vector<token_id> eos;
  if (!random.one_in(4)) eos = {static_cast<token_id>(random.below(num_tokens)), 3};
  plain_sampler plain(num_tokens, eos, start);
  sampler alone({num_tokens, 1, eos});
  sampler given({num_tokens, 1, eos});
  alone.start(start);
  given.start(start);
  choice_scratch scratch;
  for (int step = 0; step < 3; ++step) {
    const auto logits = draw_logits(random, num_columns);
    const token_mask mask = random.one_in(3) ? draw_mask(random, num_tokens) : token_mask{};
    const std::vector<float> maxima = maxima_of(logits, num_tokens);
    token_id expected = 0;
    try {
      expected = plain.sample(logits, mask);
    } catch (const device_error&) {
      CHECK_THROWS_AS(alone.sample(0, logits, mask, scratch), device_error);
      CHECK_THROWS_AS(given.sample(0, logit_row{logits, maxima}, mask, scratch), device_error);
      ++seen.failures;
      return;
    }
    const sampled_token one = alone.sample(0, logits, mask, scratch);
    REQUIRE(one.token == expected);
    REQUIRE(same(given.sample(0, logit_row{logits, maxima}, mask, scratch), one));
    ++seen.tokens;
  }
}

}  // namespace

TEST_CASE("choices are those of the plainest rules, with the maxima of blocks and without") {
  counts seen;
  for (const auto& [tokens, columns] :
       {std::pair(1000U, 1024U), std::pair(331U, 331U), std::pair(2051U, 2304U),
        std::pair(31U, 40U), std::pair(64U, 64U), std::pair(1U, 1U)}) {
    CAPTURE(tokens);
    for (unsigned seed = 0; seed < 700; ++seed) {
      CAPTURE(seed);
      source random(seed * 7919 + tokens);
      compare(random, tokens, columns, seen);
    }
  }
  CHECK(seen.tokens > 10'000);
  CHECK(seen.failures > 100);
}

TEST_CASE("the least mass that is not zero is drawn, and a block without any is not") {
  choice_scratch scratch;
  constexpr std::uint64_t first = 0;
  constexpr std::uint64_t last = ~std::uint64_t{0};
  // exp(-20.7) * 2^30 = 1.1, below exp(-20.8) it is nothing.
  for (const auto& [logit, lowest, highest] :
       {std::tuple(-20.7F, 0, 95), std::tuple(-20.9F, 32, 63)}) {
    std::vector<float> logits(96, logit);
    std::fill_n(logits.begin() + 32, 32, 0.0F);
    const logit_row row = with_maxima(logits, scratch.row_maxima);
    CHECK(choose_token(row, {}, first, scratch) == lowest);
    CHECK(choose_token(row, {}, last, scratch) == highest);
  }
}

TEST_CASE("of minus infinity and NaN the first minus infinity is the most likely") {
  std::vector<float> logits(64, -infinity);
  std::fill_n(logits.begin(), 33, NAN);
  std::vector<float> maxima;
  CHECK(most_likely(with_maxima(logits, maxima)) == 33);
  CHECK(most_likely(logits) == 33);
}
