// Qwen2.5 as the paper has it, once, for every device and every number of ranks.
#pragma once
#include "model/device.hpp"
#include "model/device_model.hpp"

namespace troupe {

struct forward_limits {
  std::uint32_t max_rows = 0;        // tokens in one step
  std::uint32_t max_logit_rows = 0;  // of those, rows with logits
};

class forward {
 public:
  // Allocates the activations of the largest step. Device, communicator and model outlive it.
  forward(device& target, communicator& ranks, const model_config& config, const shard_plan& plan,
          const device_model& model, forward_limits limits);

  // The step that device::begin_step was told. Logits of its logit rows; empty without any.
  gathered_logits run(bool has_logit_rows);

  // Elements of all activations, logits apart, and of the logits (float32).
  struct activation_sizes {
    std::uint64_t num_elements = 0;
    std::uint64_t num_logits = 0;
  };
  static activation_sizes count_activations(const model_config& config, const shard_plan& plan,
                                            forward_limits limits);

 private:
  void attend(std::uint32_t layer_idx, const activation* addend);
  void feed_forward(const device_layer& layer);

  device& device_;
  communicator& ranks_;
  const device_model& model_;
  float eps_;
  activation residual_;  // [rows, hidden]: the residual stream, without what `delta_` will add
  activation normed_;    // [rows, hidden]
  activation qkv_;       // [rows, q_size + 2 * kv_size]
  activation attended_;  // [rows, q_size]
  activation delta_;     // [rows, hidden]: what a block adds to the residual stream
  activation gate_up_;   // [rows, 2 * intermediate]
  activation gated_;     // [rows, intermediate]
  activation final_;     // [logit rows, hidden]
  activation logits_;    // [logit rows, vocab_per_rank]
  activation gathered_;  // [ranks * logit rows, vocab_per_rank]
};

}  // namespace troupe
