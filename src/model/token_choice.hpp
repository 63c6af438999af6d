// From one row of logits to one token: pure functions, the same answer whatever the order in which
// a device adds things up, because probabilities are integers of 2^-30 of the most likely token's.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/request.hpp"

namespace troupe {

// Below this temperature the most likely token is chosen.
inline constexpr float greedy_temperature = 1e-5F;
constexpr bool is_greedy(float temperature) { return !(temperature >= greedy_temperature); }

struct choice_params {
  float temperature = 1.0F;
  float top_p = 1.0F;
  std::int32_t top_k = 0;  // 0: all
  float min_p = 0.0F;
};

// Logits that share a maximum: those of one tile of the CPU's LM head and of one word of a mask.
inline constexpr std::size_t choice_block = 32;
constexpr std::size_t num_choice_blocks(std::size_t num_logits) {
  return (num_logits + choice_block - 1) / choice_block;
}

// One row of logits, of which a choice reads few: only the first block with the highest maximum to
// be greedy, only blocks whose maximum is among the top_k highest, or has a mass at all, to draw.
struct logit_row {
  std::span<const float> logits;
  std::span<const float> block_maxima;  // [num_choice_blocks(logits.size())]; NaN counts as lowest
};

// Memory for one row, reused from row to row.
struct choice_scratch {
  struct candidate {
    float logit;
    std::uint32_t token;
  };
  static constexpr std::uint32_t num_bins = 2048;
  std::vector<float> logits;          // [vocabulary], adjusted
  std::vector<std::uint32_t> masses;  // [vocabulary]: exp((logit - highest) / T) * 2^30
  std::array<std::uint64_t, num_bins> bin_masses;
  std::vector<candidate> bin;       // the members of one bin
  std::vector<float> row_maxima;    // of a row that came without
  std::vector<float> block_maxima;  // of `logits`
  std::vector<float> sorted;        // in part
  std::vector<float> top_logits;    // what top_k keeps, in the order of ids
  std::vector<std::uint32_t> top_tokens;

  // From here on rows of so many logits allocate nothing.
  void reserve(std::size_t num_logits);
};

// The highest, in which NaN counts as lowest: -infinity of NaN alone.
float highest_of(std::span<const float> logits);
// Fills `maxima`.
logit_row with_maxima(std::span<const float> logits, std::vector<float>& maxima);

// The id of the highest logit, the lowest id among equals; NaN counts as lowest.
token_id most_likely(std::span<const float> logits);
token_id most_likely(const logit_row& row);
// The same among the ids with a bit in mask[num_choice_blocks]; none where no logit of theirs is
// above -infinity.
std::optional<token_id> most_likely(const logit_row& row, std::span<const std::uint32_t> mask);

// Keeps, in this order, what top_k, top_p and min_p keep (as Hugging Face's warpers do, see the
// .cpp), and picks the token at which the running sum of the kept masses, in the order of ids,
// passes random / 2^64 of their total. Falls back to most_likely() below greedy_temperature.
token_id choose_token(const logit_row& row, const choice_params& params, std::uint64_t random,
                      choice_scratch& scratch);

// log(sum(exp(logits))).
double log_sum_exp(std::span<const float> logits);

// The `count` highest logits as (token, logit), descending, lower ids first among equals.
std::vector<token_logprob> highest_logits(std::span<const float> logits, std::uint32_t count);

}  // namespace troupe
