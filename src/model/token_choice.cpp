#include "model/token_choice.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/exponential.hpp"

namespace troupe {
namespace {

using candidate = choice_scratch::candidate;

constexpr float unit_mass = 1073741824.0F;  // 2^30
// exp(-20.8) * 2^30 < 1: the token's mass is zero.
constexpr float lowest_exponent = -20.8F;
constexpr float bins_per_unit = static_cast<float>(choice_scratch::num_bins) / -lowest_exponent;

float highest(std::span<const float> values) {
  constexpr std::size_t lanes = 16;  // independent, so that the compiler can keep them in vectors
  std::array<float, lanes> best;
  best.fill(-std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + lanes <= values.size(); i += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) {
      best[l] = values[i + l] > best[l] ? values[i + l] : best[l];
    }
  }
  for (; i < values.size(); ++i) best[0] = values[i] > best[0] ? values[i] : best[0];
  return *std::max_element(best.begin(), best.end());
}

// Of a logit, given the highest one. Both finite, so that the difference is no NaN.
struct exponent_of {
  float highest;
  float inverse_temperature;
  float operator()(float logit) const { return (logit - highest) * inverse_temperature; }
};

// Bin 0 holds the most likely tokens; a lower logit is never in a lower bin.
std::uint32_t bin_of(float exponent) {
  const auto bin = static_cast<std::uint32_t>(-exponent * bins_per_unit);
  return std::min(bin, choice_scratch::num_bins - 1);
}

void fill_masses(std::span<const float> logits, exponent_of exponent,
                 std::vector<std::uint32_t>& masses) {
  masses.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float x = exponent(logits[i]);
    const float e = x > lowest_exponent ? exponential(x) : 0.0F;
    masses[i] = static_cast<std::uint32_t>(static_cast<std::int32_t>(e * unit_mass));
  }
}

void fill_bins(std::span<const float> logits, exponent_of exponent, choice_scratch& scratch) {
  scratch.bin_counts.fill(0);
  scratch.bin_masses.fill(0);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (scratch.masses[i] == 0) continue;
    const std::uint32_t bin = bin_of(exponent(logits[i]));
    ++scratch.bin_counts[bin];
    scratch.bin_masses[bin] += scratch.masses[i];
  }
}

// The members of one bin in Hugging Face's order of removal: ascending by logit, among equals the
// lower ids first (torch.sort on the CPU keeps their order).
void sort_bin(std::span<const float> logits, exponent_of exponent, std::uint32_t bin,
              choice_scratch& scratch) {
  scratch.bin.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (scratch.masses[i] == 0 || bin_of(exponent(logits[i])) != bin) continue;
    scratch.bin.push_back({logits[i], static_cast<std::uint32_t>(i)});
  }
  const auto before = [](const candidate& a, const candidate& b) {
    return a.logit != b.logit ? a.logit < b.logit : a.token < b.token;
  };
  if (!std::is_sorted(scratch.bin.begin(), scratch.bin.end(), before)) {
    std::sort(scratch.bin.begin(), scratch.bin.end(), before);
  }
}

// What a filter keeps: all that is not below this one in the order of sort_bin.
struct threshold {
  float logit = -std::numeric_limits<float>::infinity();
  std::uint32_t token = 0;
  bool keeps(float x, std::uint32_t id) const { return x > logit || (x == logit && id >= token); }
};

// TopKLogitsWarper removes scores below the k-th highest one: equals of the k-th stay. Tokens
// without mass need no removal, so a k beyond those with mass keeps everything.
threshold find_top_k(std::span<const float> logits, exponent_of exponent, std::uint32_t top_k,
                     choice_scratch& scratch) {
  std::uint32_t above = 0;
  for (std::uint32_t bin = 0; bin < choice_scratch::num_bins; ++bin) {
    if (above + scratch.bin_counts[bin] < top_k) {
      above += scratch.bin_counts[bin];
      continue;
    }
    sort_bin(logits, exponent, bin, scratch);
    const std::size_t kth = scratch.bin.size() - (top_k - above);
    return {scratch.bin[kth].logit, 0};
  }
  return {};
}

// Takes out of the bins what `kept` does not keep.
void trim_bins(std::span<const float> logits, exponent_of exponent, threshold kept,
               choice_scratch& scratch) {
  const float x = exponent(kept.logit);
  if (!(x > lowest_exponent)) return;
  const std::uint32_t boundary = bin_of(x);
  sort_bin(logits, exponent, boundary, scratch);
  for (const candidate& c : scratch.bin) {
    if (!kept.keeps(c.logit, c.token)) scratch.bin_masses[boundary] -= scratch.masses[c.token];
  }
  std::fill(scratch.bin_masses.begin() + boundary + 1, scratch.bin_masses.end(), 0);
}

// TopPLogitsWarper sorts ascending and removes tokens while their cumulative probability, their own
// included, is at most 1 - top_p; the most likely one always stays.
threshold find_top_p(std::span<const float> logits, exponent_of exponent, threshold kept,
                     float top_p, choice_scratch& scratch) {
  std::uint64_t total = 0;
  for (std::uint64_t mass : scratch.bin_masses) total += mass;
  const auto limit = static_cast<std::uint64_t>((1.0 - static_cast<double>(top_p)) *
                                                static_cast<double>(total));
  std::uint64_t below = 0;
  for (std::uint32_t bin = choice_scratch::num_bins; bin-- > 0;) {
    if (scratch.bin_masses[bin] == 0) continue;
    if (bin != 0 && below + scratch.bin_masses[bin] <= limit) {
      below += scratch.bin_masses[bin];
      continue;
    }
    sort_bin(logits, exponent, bin, scratch);
    for (const candidate& c : scratch.bin) {
      if (!kept.keeps(c.logit, c.token)) continue;
      below += scratch.masses[c.token];
      if (below > limit) return {c.logit, c.token};
    }
    const candidate& last = scratch.bin.back();
    return {last.logit, last.token};
  }
  return kept;
}

threshold find_threshold(std::span<const float> logits, exponent_of exponent,
                         const choice_params& params, choice_scratch& scratch) {
  threshold kept;
  const bool use_top_k = params.top_k > 0 && static_cast<std::size_t>(params.top_k) < logits.size();
  const bool use_top_p = params.top_p < 1.0F;
  if (!use_top_k && !use_top_p) return kept;
  fill_bins(logits, exponent, scratch);
  if (use_top_k) {
    kept = find_top_k(logits, exponent, static_cast<std::uint32_t>(params.top_k), scratch);
    if (use_top_p) trim_bins(logits, exponent, kept, scratch);
  }
  if (use_top_p) kept = find_top_p(logits, exponent, kept, params.top_p, scratch);
  return kept;
}

// Zeroes the masses of what the filters remove; the sum of the others.
std::uint64_t remove_filtered(std::span<const float> logits, threshold kept, float min_p,
                              std::vector<std::uint32_t>& masses) {
  // MinPLogitsWarper removes probabilities below min_p times the highest one, whose mass is 2^30.
  const auto least = static_cast<std::uint32_t>(std::clamp(min_p, 0.0F, 1.0F) * unit_mass);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < masses.size(); ++i) {
    const bool keep = kept.keeps(logits[i], static_cast<std::uint32_t>(i)) && masses[i] >= least;
    masses[i] = keep ? masses[i] : 0;
    total += masses[i];
  }
  return total;
}

token_id pick(const std::vector<std::uint32_t>& masses, std::uint64_t total, std::uint64_t random) {
  // The upper word of the product: random / 2^64 of the total, so target < total.
  __extension__ using wide = unsigned __int128;
  const auto target = static_cast<std::uint64_t>(wide{random} * total >> 64U);
  constexpr std::size_t stride = 256;  // skip in steps whose sums vectorise
  std::uint64_t running = 0;
  for (std::size_t first = 0; first < masses.size(); first += stride) {
    const std::size_t end = std::min(first + stride, masses.size());
    std::uint64_t sum = 0;
    for (std::size_t i = first; i < end; ++i) sum += masses[i];
    if (running + sum <= target) {
      running += sum;
      continue;
    }
    for (std::size_t i = first; i < end; ++i) {
      running += masses[i];
      if (running > target) return static_cast<token_id>(i);
    }
  }
  return 0;
}

}  // namespace

token_id most_likely(std::span<const float> logits) {
  const float best = highest(logits);
  const auto found = std::find(logits.begin(), logits.end(), best);
  return found == logits.end() ? 0 : static_cast<token_id>(found - logits.begin());
}

token_id choose_token(std::span<const float> logits, const choice_params& params,
                      std::uint64_t random, choice_scratch& scratch) {
  const float best = highest(logits);
  if (!(params.temperature >= greedy_temperature) || !std::isfinite(best)) {
    return most_likely(logits);
  }
  const exponent_of exponent{best, 1.0F / params.temperature};
  fill_masses(logits, exponent, scratch.masses);
  const threshold kept = find_threshold(logits, exponent, params, scratch);
  const std::uint64_t total = remove_filtered(logits, kept, params.min_p, scratch.masses);
  return pick(scratch.masses, total, random);
}

double log_sum_exp(std::span<const float> logits) {
  constexpr std::size_t lanes = 8;
  const float best = highest(logits);
  if (!std::isfinite(best)) return best;
  std::array<double, lanes> sums{};
  std::size_t i = 0;
  for (; i + lanes <= logits.size(); i += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) sums[l] += exponential(logits[i + l] - best);
  }
  for (; i < logits.size(); ++i) sums[0] += exponential(logits[i] - best);
  double sum = 0;
  for (double s : sums) sum += s;
  return best + std::log(sum);
}

std::vector<token_logprob> highest_logits(std::span<const float> logits, std::uint32_t count) {
  std::vector<token_logprob> best;
  best.reserve(count + std::size_t{1});
  if (count == 0) return best;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float x = logits[i];
    if (!(best.size() < count || x > best.back().logprob) || std::isnan(x)) continue;
    const auto place = std::find_if(best.begin(), best.end(),
                                    [x](const token_logprob& b) { return b.logprob < x; });
    best.insert(place, {static_cast<token_id>(i), x});
    if (best.size() > count) best.pop_back();
  }
  return best;
}

}  // namespace troupe
