// From one row of logits to one token: pure functions, the same answer whatever the order in which
// a device adds things up, because probabilities are integers of 2^-30 of the most likely token's.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/request.hpp"

namespace troupe {

// Below this temperature the most likely token is chosen.
inline constexpr float greedy_temperature = 1e-5F;

struct choice_params {
  float temperature = 1.0F;
  float top_p = 1.0F;
  std::int32_t top_k = 0;  // 0: all
  float min_p = 0.0F;
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
  std::vector<float> block_maxima;  // of 64 logits each
  std::vector<float> sorted;        // in part
  std::vector<float> top_logits;    // what top_k keeps, in the order of ids
  std::vector<std::uint32_t> top_tokens;

  // From here on rows of so many logits allocate nothing.
  void reserve(std::size_t num_logits);
};

// The id of the highest logit, the lowest id among equals; NaN counts as lowest.
token_id most_likely(std::span<const float> logits);

// Keeps, in this order, what top_k, top_p and min_p keep (as Hugging Face's warpers do, see the
// .cpp), and picks the token at which the running sum of the kept masses, in the order of ids,
// passes random / 2^64 of their total. Falls back to most_likely() below greedy_temperature.
token_id choose_token(std::span<const float> logits, const choice_params& params,
                      std::uint64_t random, choice_scratch& scratch);

// log(sum(exp(logits))).
double log_sum_exp(std::span<const float> logits);

// The `count` highest logits as (token, logit), descending, lower ids first among equals.
std::vector<token_logprob> highest_logits(std::span<const float> logits, std::uint32_t count);

}  // namespace troupe
