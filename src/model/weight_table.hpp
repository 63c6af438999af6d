// The tensors that a Qwen2.5 checkpoint must hold, by the names that Hugging Face gives them.
#pragma once
#include "model/model_config.hpp"
#include "model/weights.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

enum class weight_kind : std::uint8_t { matrix, norm, bias };

struct weight_entry {
  std::string name;
  std::vector<std::int64_t> shape;
  weight_kind kind = weight_kind::matrix;
  host_tensor* target = nullptr;  // the tensor's place in the model_weights that was passed
};

// The weights that are published as integers; embedding and LM head stay floats.
inline bool is_layer_weight(const weight_entry& entry) {
  return entry.kind == weight_kind::matrix && entry.name.starts_with("model.layers.");
}

// Sizes weights.layers and lists every tensor in checkpoint order. A tied LM head is not listed.
std::vector<weight_entry> list_weights(const model_config& config, model_weights& weights);

}  // namespace troupe
