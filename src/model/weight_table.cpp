#include "model/weight_table.hpp"

namespace troupe {
namespace {

class table_writer {
 public:
  void matrix(std::string name, std::int64_t rows, std::int64_t cols, host_tensor& target) {
    entries.push_back({std::move(name), {rows, cols}, weight_kind::matrix, &target});
  }
  void vector(std::string name, std::int64_t size, weight_kind kind, host_tensor& target) {
    entries.push_back({std::move(name), {size}, kind, &target});
  }
  std::vector<weight_entry> entries;
};

void list_layer(const model_config& c, const std::string& prefix, layer_weights& layer,
                table_writer& out) {
  const std::int64_t q_size = std::int64_t{c.num_attention_heads} * c.head_dim;
  const std::int64_t kv_size = std::int64_t{c.num_key_value_heads} * c.head_dim;
  out.vector(prefix + "input_layernorm.weight", c.hidden_size, weight_kind::norm, layer.input_norm);
  const std::string attention = prefix + "self_attn.";
  out.matrix(attention + "q_proj.weight", q_size, c.hidden_size, layer.q);
  out.vector(attention + "q_proj.bias", q_size, weight_kind::bias, layer.q_bias);
  out.matrix(attention + "k_proj.weight", kv_size, c.hidden_size, layer.k);
  out.vector(attention + "k_proj.bias", kv_size, weight_kind::bias, layer.k_bias);
  out.matrix(attention + "v_proj.weight", kv_size, c.hidden_size, layer.v);
  out.vector(attention + "v_proj.bias", kv_size, weight_kind::bias, layer.v_bias);
  out.matrix(attention + "o_proj.weight", c.hidden_size, q_size, layer.o);
  out.vector(prefix + "post_attention_layernorm.weight", c.hidden_size, weight_kind::norm,
             layer.post_attention_norm);
  out.matrix(prefix + "mlp.gate_proj.weight", c.intermediate_size, c.hidden_size, layer.gate);
  out.matrix(prefix + "mlp.up_proj.weight", c.intermediate_size, c.hidden_size, layer.up);
  out.matrix(prefix + "mlp.down_proj.weight", c.hidden_size, c.intermediate_size, layer.down);
}

}  // namespace

std::vector<weight_entry> list_weights(const model_config& config, model_weights& weights) {
  table_writer out;
  weights.layers.resize(config.num_hidden_layers);
  out.matrix("model.embed_tokens.weight", config.vocab_size, config.hidden_size, weights.embedding);
  for (std::uint32_t i = 0; i < config.num_hidden_layers; ++i) {
    list_layer(config, "model.layers." + std::to_string(i) + ".", weights.layers[i], out);
  }
  out.vector("model.norm.weight", config.hidden_size, weight_kind::norm, weights.final_norm);
  if (!config.tie_word_embeddings) {
    out.matrix("lm_head.weight", config.vocab_size, config.hidden_size, weights.lm_head);
  }
  return std::move(out.entries);
}

}  // namespace troupe
