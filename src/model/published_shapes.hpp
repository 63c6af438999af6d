// The shapes of the published dense Qwen2.5 models.
#pragma once
#include "model/model_config.hpp"

#include <array>

namespace troupe {

struct published_shape {
  const char* name;
  std::uint32_t hidden, intermediate, layers, q_heads, kv_heads, vocab;
  bool tied;
};

inline constexpr std::array<published_shape, 7> published_shapes{{
    {"0.5B", 896, 4864, 24, 14, 2, 151936, true},
    {"1.5B", 1536, 8960, 28, 12, 2, 151936, true},
    {"3B", 2048, 11008, 36, 16, 2, 151936, true},
    {"7B", 3584, 18944, 28, 28, 4, 152064, false},
    {"14B", 5120, 13824, 48, 40, 8, 152064, false},
    {"32B", 5120, 27648, 64, 40, 8, 152064, false},
    {"72B", 8192, 29568, 80, 64, 8, 152064, false},
}};

// As the instruction-tuned models' config.json has it, without YaRN.
inline model_config config_of(const published_shape& shape) {
  model_config config;
  config.hidden_size = shape.hidden;
  config.intermediate_size = shape.intermediate;
  config.num_hidden_layers = shape.layers;
  config.num_attention_heads = shape.q_heads;
  config.num_key_value_heads = shape.kv_heads;
  config.head_dim = shape.hidden / shape.q_heads;
  config.vocab_size = shape.vocab;
  config.max_position_embeddings = 32768;
  config.tie_word_embeddings = shape.tied;
  return config;
}

}  // namespace troupe
