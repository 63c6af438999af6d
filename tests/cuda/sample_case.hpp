// One step of sampling on the device beside the same on the host.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "core/batch.hpp"
#include "cuda/device_array.hpp"
#include "cuda/kernels.hpp"
#include "model/sampler.hpp"

namespace troupe::cuda {

// The rows of one slot: the first, and one more for each draft.
struct sampled_rows {
  slot_idx slot = 0;
  std::vector<std::vector<float>> logits;  // [rows] of [num_columns]
  std::vector<token_id> drafts;            // [rows - 1]
  std::optional<token_mask> mask;          // of the first row
};

class sample_case {
 public:
  sample_case(std::uint32_t num_tokens, std::uint32_t num_columns, std::vector<token_id> eos,
              std::uint32_t num_slots);
  void start(const slot_start& start);
  // Samples on both and compares tokens, logprobs and what the device remembers.
  void step(const std::vector<sampled_rows>& groups, std::uint32_t num_ranks = 1,
            std::uint32_t num_scratch_rows = 2);
  // The tokens of the last step, [rows].
  const std::vector<std::int32_t>& tokens() const { return tokens_; }
  // Of the last step.
  device_fault fault() const { return fault_; }
  // Of slots whose sequence goes on after it.
  std::uint64_t num_compared() const { return num_compared_; }

 private:
  // What a slot's pointers point to.
  struct slot_memory {
    device_array<token_use> uses{0};
    device_array<token_bias> biases{0};
    device_array<std::int32_t> impossible{0};
  };

  void compare(const std::vector<sampled_rows>& groups, device_array<chosen_token>& chosen,
               device_array<likely_token>& likely);

  std::uint32_t num_tokens_;
  std::uint32_t num_columns_;
  std::vector<token_id> eos_;
  sampler host_;
  choice_scratch scratch_;
  std::vector<std::unique_ptr<slot_memory>> memory_;
  std::vector<std::uint64_t> positions_;
  std::vector<sampling_params> params_;
  device_array<sampling_slot> slots_;
  device_array<std::int32_t> next_tokens_;
  std::vector<std::int32_t> tokens_;
  device_fault fault_ = device_fault::none;
  std::uint64_t num_compared_ = 0;
};

}  // namespace troupe::cuda
