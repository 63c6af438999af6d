// How the next token is chosen. Values only; model/sampler.hpp gives them their meaning.
#pragma once
#include "core/id.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace troupe {

inline constexpr std::int64_t max_logprobs = 20;

struct sampling_params {
  float temperature = 1.0F;  // below 1e-5: greedy
  float top_p = 1.0F;        // (0, 1]
  std::int32_t top_k = 0;    // 0: the whole vocabulary
  float min_p = 0.0F;        // [0, 1]
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  float repetition_penalty = 1.0F;  // > 0; counts prompt and output, as Hugging Face does
  std::uint64_t seed = 0;           // with the position it names every random number
  std::uint32_t max_tokens = 16;
  std::uint32_t min_tokens = 0;    // a constraint that allows nothing but the end goes before it
  bool ignore_eos = false;         // does not count under a constraint: nothing may follow its eos
  std::int32_t num_logprobs = -1;  // -1: none; 0: the chosen token's; k: and the k most likely
  std::vector<token_id> stop_token_ids;
  std::vector<std::pair<token_id, float>> logit_bias;

  bool operator==(const sampling_params&) const = default;
};

}  // namespace troupe
