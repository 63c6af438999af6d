// A small model on emulated GPUs, and the same one on the CPU. For tests only.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cpu/replica.hpp"
#include "cuda/cuda_runner.hpp"
#include "fake_cuda.hpp"

namespace troupe::testing {

// Heads of 64 that 8 ranks can share, an odd number of everything else.
model_config gpu_config(std::uint32_t num_layers = 2);
model_weights gpu_weights(const model_config& config);

cuda_runner_options gpu_options(std::uint32_t tp_size = 1);
std::shared_ptr<const cuda_model> gpu_model(const cuda_runner_options& options,
                                            const model_config& config = gpu_config());
test_replica gpu_replica(const cuda_runner_options& options);
// In float32.
test_replica cpu_replica(const model_config& config = gpu_config());

// A prompt of so many tokens, on pages that no other slot has.
test_sequence prompt_in(slot_idx slot, std::uint32_t num_tokens);

struct answer {
  std::vector<token_id> tokens;
  std::vector<float> logprobs;
  bool operator==(const answer&) const = default;
};
// Slots 0 .. 2 decode `count` tokens together, drawn; slot i joins at step 2 * i.
std::vector<answer> decode_together(test_replica& replica, int count);

// The largest difference, as a share of the largest logit.
double distance(std::span<const float> a, std::span<const float> b);

}  // namespace troupe::testing
