// What a CUDA device allocates besides weights, KV pages and the forward pass's activations: the
// same numbers for the memory plan and for the device itself.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/id.hpp"
#include "cuda/prefill_kernel.hpp"
#include "cuda/step_block.hpp"
#include "model/device.hpp"

namespace troupe::cuda {

struct cuda_device_options {
  int device_index = 0;
  std::uint32_t num_layers = 0;
  head_shape heads;  // this rank's
  std::uint32_t num_pages = 0;
  kv_format kv = kv_format::bf16;
  prefill_kernel prefill = prefill_kernel::mma;
  std::uint32_t max_num_rows = 0;
  std::uint32_t max_num_logit_rows = 0;
  std::uint32_t max_num_seqs = 0;
  std::uint32_t max_model_len = 0;
  std::uint32_t num_tokens = 0;  // ids that the tokenizer knows
  std::uint32_t max_logprobs = 0;
  std::vector<token_id> eos_token_ids;
  bool deterministic = false;
  bool has_byte_weights = false;
  bool use_graphs = true;  // only with a communicator that can be captured
  std::uint32_t load_threads = 1;
  std::function<void(std::uint64_t num_bytes)> on_loaded;  // by every matrix; may be empty
  std::function<void(const std::string&)> on_warning;  // from this device's thread; may be empty
  // Held until everything that the device owns is freed.
  std::shared_ptr<const void> lease;
  // [rope_kind]; [max_model_len, head_dim / 2] each. Read while the device is made.
  std::array<rope_view, 2> ropes;
};

// A device without rows or pages only loads weights.
struct device_sizes {
  explicit device_sizes(const cuda_device_options& options);

  step_counts largest_step;
  std::size_t step_bytes = 0;
  std::size_t choice_bytes = 0;
  std::size_t uses_per_slot = 0;  // entries of sampling_slot::uses
  std::size_t list_bytes_per_slot = 0;
  std::size_t result_bytes = 0;  // of one step's samples
  std::size_t partial_sum_bytes = 0;
  std::size_t partial_scale_bytes = 0;
  std::size_t sample_scratch_bytes = 0;
  std::uint32_t num_scratch_rows = 0;
  std::size_t rope_bytes = 0;        // one kind's cos and sin
  std::size_t layer_page_bytes = 0;  // keys, or values, of one page in one layer
  std::size_t expanded_bytes = 0;    // of weights of bytes that are bfloat16 for a while
  std::size_t word_bytes = 0;        // of what ranks ask each other
  // Of everything above together, with the fixed buffers; KV pages and activations are not in it.
  std::uint64_t total() const;

  std::uint32_t max_num_seqs = 0;
};

inline constexpr std::uint32_t num_steps_in_flight = 3;
// What a request may bring; more gets memory of its own.
inline constexpr std::uint32_t usual_biases = 1024;
inline constexpr std::uint32_t usual_impossible_tokens = 512;

// Room for one slot's lists, back to back: uses, biases, impossible tokens.
constexpr std::size_t list_bytes(std::size_t uses, std::size_t biases, std::size_t impossible) {
  return uses * sizeof(token_use) + biases * sizeof(token_bias) +
         (impossible + 3) / 4 * 4 * sizeof(std::int32_t);
}

}  // namespace troupe::cuda
