// The weights of a Qwen2.5 model by role, in host memory: from a checkpoint or, seeded, from
// nothing.
#pragma once
#include "core/outcome.hpp"
#include "model/model_config.hpp"
#include "model/tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace troupe {

// Linear weights are [out_features, in_features], as Hugging Face stores them; where the config
// has a published_format, those of the layers are made of integers.
struct layer_weights {
  host_tensor input_norm;  // [hidden]
  host_tensor q, k, v;     // [heads * head_dim, hidden]
  host_tensor q_bias, k_bias, v_bias;
  host_tensor o;                    // [hidden, num_attention_heads * head_dim]
  host_tensor post_attention_norm;  // [hidden]
  host_tensor gate, up;             // [intermediate, hidden]
  host_tensor down;                 // [hidden, intermediate]
};

struct model_weights {
  host_tensor embedding;  // [vocab, hidden]
  std::vector<layer_weights> layers;
  host_tensor final_norm;               // [hidden]
  host_tensor lm_head;                  // [vocab, hidden]; the embedding's own bytes when tied
  std::shared_ptr<const void> storage;  // keeps the mapped files (or the seeded bytes) alive
};

// Maps model.safetensors or the shards of model.safetensors.index.json and checks names, shapes and
// dtypes against the config; refuses missing and extra tensors in one sentence. Each tensor keeps
// its own dtype. A tied model's lm_head.weight is ignored, and so are rotary_emb.inv_freq buffers.
outcome<model_weights> load_weights(const std::filesystem::path& model_dir,
                                    const model_config& config);
// `--load-format dummy`: bfloat16, every element depends on (seed, tensor name, element index)
// alone (model/dummy_weights.hpp has the formula).
outcome<model_weights> make_dummy_weights(const model_config& config, std::uint64_t seed);

}  // namespace troupe
