// The model that whole measurements are made with.
#pragma once
#include "model/model_config.hpp"

namespace troupe::bench {

// The shape of Qwen2.5-0.5B.
inline model_config half_billion() {
  model_config config;
  config.hidden_size = 896;
  config.intermediate_size = 4864;
  config.num_hidden_layers = 24;
  config.num_attention_heads = 14;
  config.num_key_value_heads = 2;
  config.head_dim = 64;
  config.vocab_size = 151'936;
  config.max_position_embeddings = 32768;
  config.tie_word_embeddings = true;
  return config;
}

}  // namespace troupe::bench
