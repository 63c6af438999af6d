#include "model/token_choice.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "model/token_mass.hpp"

namespace troupe {
namespace {

using candidate = choice_scratch::candidate;

constexpr float bins_per_unit = static_cast<float>(choice_scratch::num_bins) / -lowest_exponent;

std::span<const float> block_of(std::span<const float> logits, std::size_t block) {
  const std::size_t first = block * choice_block;
  return logits.subspan(first, std::min(choice_block, logits.size() - first));
}

// Bin 0 holds the most likely tokens; a lower logit is never in a lower bin.
std::uint32_t bin_of(float exponent) {
  const auto bin = static_cast<std::uint32_t>(-exponent * bins_per_unit);
  return std::min(bin, choice_scratch::num_bins - 1);
}

// A block whose highest logit has no mass has none.
void fill_masses(const logit_row& row, exponent_of exponent, std::vector<std::uint32_t>& masses) {
  masses.resize(row.logits.size());
  for (std::size_t block = 0; block < row.block_maxima.size(); ++block) {
    const std::span<const float> logits = block_of(row.logits, block);
    std::uint32_t* out = masses.data() + block * choice_block;
    if (!(exponent(row.block_maxima[block]) > lowest_exponent)) {
      std::fill_n(out, logits.size(), 0U);
      continue;
    }
    for (std::size_t i = 0; i < logits.size(); ++i) out[i] = token_mass(exponent(logits[i]));
  }
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

// top_p, min_p and the draw from what has masses; the index of the chosen one.
std::size_t draw(std::span<const float> logits, exponent_of exponent, const choice_params& params,
                 std::uint64_t random, choice_scratch& scratch) {
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
void gather_from(const logit_row& row, float bound, choice_scratch& scratch) {
  scratch.top_logits.clear();
  scratch.top_tokens.clear();
  for (std::size_t block = 0; block < row.block_maxima.size(); ++block) {
    if (row.block_maxima[block] < bound) continue;
    const std::span<const float> logits = block_of(row.logits, block);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (!(logits[i] >= bound)) continue;
      scratch.top_logits.push_back(logits[i]);
      scratch.top_tokens.push_back(static_cast<std::uint32_t>(block * choice_block + i));
    }
  }
}

// TopKLogitsWarper removes scores below the k-th highest one, so equals of the k-th stay. The k-th
// highest of the blocks' maxima bounds it from below, which leaves few candidates. Fills top_logits
// and top_tokens in the order of ids; 0 < k < row.logits.size().
void keep_top_k(const logit_row& row, std::uint32_t k, choice_scratch& scratch) {
  // What a mask forbids is no candidate, however few there are beside it.
  float bound = std::numeric_limits<float>::lowest();
  if (k <= row.block_maxima.size()) {
    scratch.sorted.assign(row.block_maxima.begin(), row.block_maxima.end());
    bound = std::max(bound, kth_highest(scratch.sorted, k));
  }
  gather_from(row, bound, scratch);
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
  row_maxima.reserve(num_choice_blocks(num_logits));
  block_maxima.reserve(num_choice_blocks(num_logits));
  sorted.reserve(num_logits);
  top_logits.reserve(num_logits);
  top_tokens.reserve(num_logits);
}

float highest_of(std::span<const float> values) {
  // As arrays they would become scalars.
  using four [[gnu::vector_size(16)]] = float;
  constexpr std::size_t lanes = 4;
  std::array<four, 4> best;
  best.fill(four{} - std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + best.size() * lanes <= values.size(); i += best.size() * lanes) {
    for (std::size_t v = 0; v < best.size(); ++v) {
      four x;
      std::memcpy(&x, &values[i + v * lanes], sizeof(x));
      best[v] = x > best[v] ? x : best[v];
    }
  }
  for (std::size_t v = 1; v < best.size(); ++v) best[0] = best[v] > best[0] ? best[v] : best[0];
  float highest = best[0][0];
  for (std::size_t l = 1; l < lanes; ++l) highest = best[0][l] > highest ? best[0][l] : highest;
  for (; i < values.size(); ++i) highest = values[i] > highest ? values[i] : highest;
  return highest;
}

logit_row with_maxima(std::span<const float> logits, std::vector<float>& maxima) {
  maxima.resize(num_choice_blocks(logits.size()));
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    maxima[block] = highest_of(block_of(logits, block));
  }
  return {logits, maxima};
}

token_id most_likely(std::span<const float> logits) {
  const float best = highest_of(logits);
  const auto found = std::find(logits.begin(), logits.end(), best);
  return found == logits.end() ? 0 : static_cast<token_id>(found - logits.begin());
}

token_id most_likely(const logit_row& row) {
  const float best = highest_of(row.block_maxima);
  // That of a block of NaN alone is not in the block.
  if (!(best > -std::numeric_limits<float>::infinity())) return most_likely(row.logits);
  const auto found = std::find(row.block_maxima.begin(), row.block_maxima.end(), best);
  const auto block = static_cast<std::size_t>(found - row.block_maxima.begin());
  return static_cast<token_id>(block * choice_block) + most_likely(block_of(row.logits, block));
}

std::optional<token_id> most_likely(const logit_row& row, std::span<const std::uint32_t> mask) {
  std::optional<token_id> found;
  float best = -std::numeric_limits<float>::infinity();
  for (std::size_t block = 0; block < row.block_maxima.size(); ++block) {
    // Of most blocks not even the mask is read.
    if (!(row.block_maxima[block] > best)) continue;
    for (std::uint32_t word = mask[block]; word != 0; word &= word - 1) {
      const std::size_t i = block * choice_block + static_cast<std::size_t>(std::countr_zero(word));
      if (i >= row.logits.size() || !(row.logits[i] > best)) continue;
      best = row.logits[i];
      found = static_cast<token_id>(i);
    }
  }
  return found;
}

token_id choose_token(const logit_row& row, const choice_params& params, std::uint64_t random,
                      choice_scratch& scratch) {
  const float best = highest_of(row.block_maxima);
  if (is_greedy(params.temperature) || !std::isfinite(best)) return most_likely(row);
  const exponent_of exponent{best, 1.0F / params.temperature};
  if (params.top_k <= 0 || static_cast<std::size_t>(params.top_k) >= row.logits.size()) {
    fill_masses(row, exponent, scratch.masses);
    return static_cast<token_id>(draw(row.logits, exponent, params, random, scratch));
  }
  keep_top_k(row, static_cast<std::uint32_t>(params.top_k), scratch);
  scratch.masses.clear();
  for (const float x : scratch.top_logits) scratch.masses.push_back(token_mass(exponent(x)));
  const std::size_t index = draw(scratch.top_logits, exponent, params, random, scratch);
  return static_cast<token_id>(scratch.top_tokens[index]);
}

double log_sum_exp(std::span<const float> logits) {
  constexpr std::size_t lanes = 8;
  const float best = highest_of(logits);
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
