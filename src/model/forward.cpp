#include "model/forward.hpp"

namespace troupe {

forward::forward(device& target, communicator& ranks, const model_config& config,
                 const shard_plan& plan, const device_model& model, forward_limits limits)
    : device_(target),
      ranks_(ranks),
      model_(model),
      eps_(config.rms_norm_eps),
      residual_(target.make_activation(limits.max_rows, config.hidden_size)),
      normed_(target.make_activation(limits.max_rows, config.hidden_size)),
      qkv_(target.make_activation(limits.max_rows, plan.q_size() + 2 * plan.kv_size())),
      attended_(target.make_activation(limits.max_rows, plan.q_size())),
      delta_(target.make_activation(limits.max_rows, config.hidden_size)),
      gate_up_(target.make_activation(limits.max_rows, 2 * plan.intermediate.size())),
      gated_(target.make_activation(limits.max_rows, plan.intermediate.size())),
      final_(target.make_activation(limits.max_logit_rows, config.hidden_size)),
      logits_(target.make_logits(limits.max_logit_rows, plan.vocab_per_rank)) {
  if (plan.tp_size == 1) return;
  gathered_ = target.make_logits(plan.tp_size * limits.max_logit_rows, plan.vocab_per_rank);
}

gathered_logits forward::run(bool has_logit_rows) {
  device_.embed(*model_.embedding, residual_);
  for (std::uint32_t i = 0; i < model_.layers.size(); ++i) {
    attend(i, i == 0 ? nullptr : &delta_);
    feed_forward(model_.layers[i]);
  }
  if (!has_logit_rows) return {};
  device_.norm_logit_rows(delta_, residual_, *model_.final_norm, eps_, final_);
  device_.logits(final_, *model_.lm_head, logits_);
  return device_.gather_logits(ranks_, logits_, gathered_);
}

void forward::attend(std::uint32_t layer_idx, const activation* addend) {
  const device_layer& layer = model_.layers[layer_idx];
  device_.add_rms_norm(addend, residual_, *layer.input_norm, eps_, normed_);
  device_.linear(normed_, *layer.qkv, layer.qkv_bias.get(), qkv_);
  device_.rope_kv_write(layer_idx, qkv_);
  device_.attention(layer_idx, qkv_, attended_);
  device_.linear(attended_, *layer.o, nullptr, delta_);
  device_.all_reduce(ranks_, delta_);
}

void forward::feed_forward(const device_layer& layer) {
  device_.add_rms_norm(&delta_, residual_, *layer.post_attention_norm, eps_, normed_);
  device_.linear(normed_, *layer.gate_up, nullptr, gate_up_);
  device_.silu_mul(gate_up_, gated_);
  device_.linear(gated_, *layer.down, nullptr, delta_);
  device_.all_reduce(ranks_, delta_);
}

forward::activation_sizes forward::count_activations(const model_config& config,
                                                     const shard_plan& plan,
                                                     forward_limits limits) {
  const std::uint64_t row = 3ULL * config.hidden_size + 2ULL * plan.q_size() +
                            2ULL * plan.kv_size() + 3ULL * plan.intermediate.size();
  const std::uint64_t logit_copies = plan.tp_size == 1 ? 1 : 1ULL + plan.tp_size;
  return {row * limits.max_rows + std::uint64_t{limits.max_logit_rows} * config.hidden_size,
          logit_copies * limits.max_logit_rows * plan.vocab_per_rank};
}

}  // namespace troupe
