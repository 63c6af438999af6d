#include "model/token_choice.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "model/token_mass.hpp"

namespace troupe {
namespace {

using candidate = choice_scratch::candidate;

constexpr std::size_t block_size = 64;  // logits that share a maximum
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

// Bin 0 holds the most likely tokens; a lower logit is never in a lower bin.
std::uint32_t bin_of(float exponent) {
  const auto bin = static_cast<std::uint32_t>(-exponent * bins_per_unit);
  return std::min(bin, choice_scratch::num_bins - 1);
}

void fill_masses(std::span<const float> logits, exponent_of exponent,
                 std::vector<std::uint32_t>& masses) {
  masses.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) masses[i] = token_mass(exponent(logits[i]));
}

void fill_bins(std::span<const float> logits, exponent_of exponent, choice_scratch& scratch) {
  scratch.bin_masses.fill(0);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (scratch.masses[i] == 0) continue;
    scratch.bin_masses[bin_of(exponent(logits[i]))] += scratch.masses[i];
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
  // Without branches, so that loops over it are loops of vectors.
  bool keeps(float x, std::uint32_t id) const {
    return (x > logit) | ((x == logit) & (id >= token));
  }
};

// TopPLogitsWarper sorts ascending and removes tokens while their cumulative probability, their own
// included, is at most 1 - top_p; the most likely one always stays.
threshold find_top_p(std::span<const float> logits, exponent_of exponent, float top_p,
                     choice_scratch& scratch) {
  fill_bins(logits, exponent, scratch);
  std::uint64_t total = 0;
  for (std::uint64_t mass : scratch.bin_masses) total += mass;
  const std::uint64_t limit = removable_mass(top_p, total);
  std::uint64_t below = 0;
  for (std::uint32_t bin = choice_scratch::num_bins; bin-- > 0;) {
    if (scratch.bin_masses[bin] == 0) continue;
    if (bin != 0 && below + scratch.bin_masses[bin] <= limit) {
      below += scratch.bin_masses[bin];
      continue;
    }
    sort_bin(logits, exponent, bin, scratch);
    for (const candidate& c : scratch.bin) {
      below += scratch.masses[c.token];
      if (below > limit) return {c.logit, c.token};
    }
    const candidate& last = scratch.bin.back();
    return {last.logit, last.token};
  }
  return {};
}

// Zeroes the masses of what the filters remove.
void remove_filtered(std::span<const float> logits, threshold kept, float min_p,
                     std::vector<std::uint32_t>& masses) {
  const std::uint32_t least = least_mass(min_p);
  const auto count = static_cast<std::uint32_t>(masses.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool keep = static_cast<bool>(kept.keeps(logits[i], i) & (masses[i] >= least));
    masses[i] = keep ? masses[i] : 0;
  }
}

// The index at which the running sum of masses passes random / 2^64 of the total.
std::size_t pick(const std::vector<std::uint32_t>& masses, std::uint64_t random) {
  std::uint64_t total = 0;
  for (std::uint32_t mass : masses) total += mass;
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
      if (running > target) return i;
    }
  }
  return 0;
}

// top_p, min_p and the draw; the index of the chosen one.
std::size_t draw(std::span<const float> logits, exponent_of exponent, const choice_params& params,
                 std::uint64_t random, choice_scratch& scratch) {
  fill_masses(logits, exponent, scratch.masses);
  threshold kept;
  if (params.top_p < 1.0F) kept = find_top_p(logits, exponent, params.top_p, scratch);
  if (params.top_p < 1.0F || params.min_p > 0.0F) {
    remove_filtered(logits, kept, params.min_p, scratch.masses);
  }
  return pick(scratch.masses, random);
}

float kth_highest(std::vector<float>& values, std::uint32_t k) {
  const auto kth = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), kth, values.end(), std::greater<>());
  return *kth;
}

// Appends what is not below `bound`, block by block: a block whose highest logit is below is
// skipped.
void gather_from(std::span<const float> logits, float bound, choice_scratch& scratch) {
  scratch.top_logits.clear();
  scratch.top_tokens.clear();
  for (std::size_t block = 0; block * block_size < logits.size(); ++block) {
    if (scratch.block_maxima[block] < bound) continue;
    const std::size_t end = std::min((block + 1) * block_size, logits.size());
    for (std::size_t i = block * block_size; i < end; ++i) {
      if (!(logits[i] >= bound)) continue;
      scratch.top_logits.push_back(logits[i]);
      scratch.top_tokens.push_back(static_cast<std::uint32_t>(i));
    }
  }
}

// TopKLogitsWarper removes scores below the k-th highest one, so equals of the k-th stay. The k-th
// highest of the blocks' maxima bounds it from below, which leaves few candidates. Fills top_logits
// and top_tokens in the order of ids; 0 < k < logits.size().
void keep_top_k(std::span<const float> logits, std::uint32_t k, choice_scratch& scratch) {
  scratch.block_maxima.clear();
  for (std::size_t i = 0; i < logits.size(); i += block_size) {
    const std::size_t count = std::min(block_size, logits.size() - i);
    scratch.block_maxima.push_back(highest(logits.subspan(i, count)));
  }
  // What a mask forbids is no candidate, however few there are beside it.
  float bound = std::numeric_limits<float>::lowest();
  if (k <= scratch.block_maxima.size()) {
    scratch.sorted = scratch.block_maxima;
    bound = std::max(bound, kth_highest(scratch.sorted, k));
  }
  gather_from(logits, bound, scratch);
  scratch.sorted = scratch.top_logits;
  if (scratch.sorted.size() <= k) return;
  const float kth = kth_highest(scratch.sorted, k);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < scratch.top_logits.size(); ++i) {
    if (scratch.top_logits[i] < kth) continue;
    scratch.top_logits[kept] = scratch.top_logits[i];
    scratch.top_tokens[kept++] = scratch.top_tokens[i];
  }
  scratch.top_logits.resize(kept);
  scratch.top_tokens.resize(kept);
}

}  // namespace

void choice_scratch::reserve(std::size_t num_logits) {
  logits.reserve(num_logits);
  masses.reserve(num_logits);
  bin.reserve(num_logits);
  block_maxima.reserve(num_logits / block_size + 1);
  sorted.reserve(num_logits);
  top_logits.reserve(num_logits);
  top_tokens.reserve(num_logits);
}

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
  if (params.top_k <= 0 || static_cast<std::size_t>(params.top_k) >= logits.size()) {
    return static_cast<token_id>(draw(logits, exponent, params, random, scratch));
  }
  keep_top_k(logits, static_cast<std::uint32_t>(params.top_k), scratch);
  const std::size_t index = draw(scratch.top_logits, exponent, params, random, scratch);
  return static_cast<token_id>(scratch.top_tokens[index]);
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
