#include "model/device_model.hpp"

#include <utility>

#include "model/convert.hpp"

namespace troupe {
namespace {

linear_slice whole(const host_tensor& weight, std::uint32_t rows, std::uint32_t cols) {
  return {{{rows, 0, weight, std::nullopt}}, {{cols, 0}}};
}

shared_vector load_bias(device& target, const linear_slice& slice) {
  std::vector<float> bias(slice.num_rows());
  slice.copy_bias(bias);
  return target.load_vector(bias);
}

device_layer load_layer(device& target, const shard_plan& plan, const layer_weights& layer) {
  const linear_slice qkv = qkv_slice(plan, layer);
  device_layer out;
  out.input_norm = target.load_vector(to_floats(layer.input_norm));
  out.qkv = target.load_linear(qkv);
  out.qkv_bias = load_bias(target, qkv);
  out.o = target.load_linear(o_slice(plan, layer));
  out.post_attention_norm = target.load_vector(to_floats(layer.post_attention_norm));
  out.gate_up = target.load_linear(gate_up_slice(plan, layer));
  out.down = target.load_linear(down_slice(plan, layer));
  return out;
}

}  // namespace

device_model load_device_model(device& target, const model_config& config, const shard_plan& plan,
                               const model_weights& weights, shared_matrix embedding) {
  device_model model;
  model.embedding = std::move(embedding);
  if (model.embedding == nullptr) {
    model.embedding =
        target.load_vocabulary(whole(weights.embedding, config.vocab_size, config.hidden_size));
  }
  for (const layer_weights& layer : weights.layers) {
    model.layers.push_back(load_layer(target, plan, layer));
  }
  model.final_norm = target.load_vector(to_floats(weights.final_norm));
  const bool shares_embedding = config.tie_word_embeddings && plan.tp_size == 1;
  model.lm_head =
      shares_embedding ? model.embedding : target.load_vocabulary(lm_head_slice(plan, weights));
  return model;
}

}  // namespace troupe
