// One rank's weights on its device. They outlive the device that packed them, so that a runner made
// anew after a failure does not read the checkpoint again.
#pragma once
#include <vector>

#include "model/device.hpp"
#include "model/weights.hpp"

namespace troupe {

struct device_layer {
  shared_vector input_norm;           // [hidden]
  shared_matrix qkv;                  // [q_size + 2 * kv_size, hidden]
  shared_vector qkv_bias;             // [q_size + 2 * kv_size]
  shared_matrix o;                    // [hidden, q_size]
  shared_vector post_attention_norm;  // [hidden]
  shared_matrix gate_up;              // [2 * intermediate, hidden]
  shared_matrix down;                 // [hidden, intermediate]
};

struct device_model {
  shared_matrix embedding;  // [vocab, hidden]
  std::vector<device_layer> layers;
  shared_vector final_norm;  // [hidden]
  shared_matrix lm_head;     // [vocab_per_rank, hidden]; the embedding itself if tied on one rank
};

// `embedding`: packed by another rank of the same memory; null: packed here. Throws device_error
// or std::bad_alloc.
device_model load_device_model(device& target, const model_config& config, const shard_plan& plan,
                               const model_weights& weights, shared_matrix embedding);

}  // namespace troupe
