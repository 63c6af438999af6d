// The shape of a Qwen2.5 model, as its directory states it (config.json, generation_config.json).
#pragma once
#include "core/id.hpp"
#include "core/outcome.hpp"
#include "model/published_integers.hpp"
#include "model/tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace troupe {

// YaRN as Hugging Face computes it (modeling_rope_utils.py, _compute_yarn_parameters).
struct yarn_scaling {
  double factor = 1.0;
  std::uint32_t original_max_position_embeddings = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  std::optional<double> attention_factor;  // none: 0.1 * ln(factor) + 1
  bool truncate = true;                    // round the ramp's ends to whole dimensions
};

struct model_config {
  std::uint32_t hidden_size = 0;
  std::uint32_t intermediate_size = 0;
  std::uint32_t num_hidden_layers = 0;
  std::uint32_t num_attention_heads = 0;
  std::uint32_t num_key_value_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t vocab_size = 0;
  std::uint32_t max_position_embeddings = 0;
  float rms_norm_eps = 1e-6F;
  double rope_theta = 1e6;
  std::optional<yarn_scaling> yarn;
  bool tie_word_embeddings = false;
  dtype type = dtype::bfloat16;               // of the published weights
  std::optional<published_format> published;  // the layers are of integers, not of floats

  // The longest context that the model can do: with YaRN factor * original window.
  std::uint32_t max_context() const;
};

// What generation_config.json says, where the client says nothing.
struct generation_defaults {
  std::vector<token_id> eos_token_ids;
  std::optional<float> temperature, top_p, repetition_penalty;
  std::optional<std::int32_t> top_k;
};

// Reads DIR/config.json; accepts the old key forms and the one transformers 5 writes. Every refusal
// names the file, the key and what was expected.
outcome<model_config> read_model_config(const std::filesystem::path& model_dir);
// eos falls back to config.json's; a missing file is not an error.
outcome<generation_defaults> read_generation_defaults(const std::filesystem::path& model_dir);

}  // namespace troupe
