#include "cpu/cpu_runner.hpp"

#include <algorithm>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "cpu/cpu_device.hpp"
#include "model/rope.hpp"

namespace troupe {

// Everything that survives a failed set of runners.
class cpu_model {
 public:
  model_config config;
  cpu_runner_options options;
  std::vector<shard_plan> plans;                             // [tp_size]
  std::vector<std::shared_ptr<const device_model>> weights;  // [ranks of this process]
  std::array<rope_table, 2> ropes;  // [rope_kind]; without YaRN only the plain one
};

namespace {

failure refuse(std::string message, std::string field) {
  return {error_code::invalid_argument, std::move(message), std::move(field)};
}

refusal check(const model_config& config, const cpu_runner_options& options) {
  if (options.type == dtype::float16) {
    return refuse("The CPU computes in float32 or bfloat16, not in float16.", "dtype");
  }
  if (config.head_dim == 0 || config.head_dim % 16 != 0 ||
      config.head_dim > kernels::max_head_dim) {
    return refuse("The model has a head_dim of " + std::to_string(config.head_dim) +
                      "; the CPU needs a multiple of 16 up to 256.",
                  "head_dim");
  }
  if (config.num_key_value_heads == 0 ||
      config.num_attention_heads / config.num_key_value_heads > kernels::max_queries) {
    return refuse("The model has more than 64 query heads for one key-value head.",
                  "num_attention_heads");
  }
  return check_options(config, options);
}

cpu_runner_options completed(cpu_runner_options options, const model_config& config) {
  complete(options, config);
  return options;
}

// A published group has one scale: ranks must not divide it.
refusal check_groups(const model_config& config, const shard_plan& plan) {
  const std::uint32_t size = config.published->group_size;
  const bool keeps_o = o_slice(plan, {}).keeps_groups(size);
  if (keeps_o && down_slice(plan, {}).keeps_groups(size)) return nothing{};
  return refuse("A tensor parallel size of " + std::to_string(plan.tp_size) +
                    " cuts the checkpoint's groups of " + std::to_string(size) + " inputs of " +
                    (keeps_o ? "down_proj" : "o_proj") +
                    "; fewer ranks, or --quantization none, would not.",
                "tensor-parallel-size");
}

outcome<std::vector<shard_plan>> plan_ranks(const model_config& config,
                                            const cpu_runner_options& options) {
  const std::uint32_t tp_size = options.tp_size;
  const bool takes_groups = config.published && options.weights != weight_format::plain;
  std::vector<shard_plan> plans;
  for (std::uint32_t rank = 0; rank < std::max(tp_size, 1U); ++rank) {
    auto plan = plan_shard(config, tp_size, rank);
    if (!plan) return plan.error();
    if (takes_groups) {
      if (auto checked = check_groups(config, *plan); !checked) return checked.error();
    }
    plans.push_back(*std::move(plan));
  }
  return plans;
}

std::uint32_t max_rows(const cpu_runner_options& options) {
  return std::max(options.max_num_batched_tokens, options.max_num_logit_rows);
}

std::uint32_t max_in_features(const model_config& config, const shard_plan& plan) {
  return std::max({config.hidden_size, plan.q_size(), plan.intermediate.size()});
}

cpu_device_options device_options(const cpu_model& model, const shard_plan& plan) {
  const cpu_runner_options& options = model.options;
  cpu_device_options out;
  out.type = options.type;
  out.weights = options.weights;
  out.kv = kv_type_of(options);
  out.max_num_rows = max_rows(options);
  const std::size_t max_pages = (options.max_model_len + page_size_tokens - 1) / page_size_tokens;
  out.max_page_table = options.num_pages > 0 ? max_pages * options.max_num_seqs : 0;
  out.max_in_features = max_in_features(model.config, plan);
  out.threads = options.threads;
  out.num_layers = model.config.num_hidden_layers;
  out.num_q_heads = plan.num_q_heads();
  out.num_kv_heads = plan.num_kv_heads();
  out.head_dim = plan.head_dim;
  out.num_pages = options.num_pages;
  out.sampling = {options.num_tokens, options.max_num_seqs, options.eos_token_ids};
  for (std::size_t kind = 0; kind < model.ropes.size(); ++kind) {
    const rope_table& table = model.config.yarn ? model.ropes[kind] : model.ropes.front();
    out.ropes[kind] = {table.cos, table.sin};
  }
  return out;
}

std::span<const shard_plan> local_plans(std::span<const shard_plan> all,
                                        const cpu_runner_options& options) {
  return all.subspan(options.first_rank, options.num_local_ranks);
}

// A device without pages packs the weights of our ranks; the embedding is the same for all.
void pack_weights(cpu_model& model, const model_weights& weights) {
  cpu_device_options options = device_options(model, model.plans.front());
  options.num_pages = 0;
  options.max_num_rows = 0;
  cpu_device packer(options);
  shared_matrix embedding;
  for (const shard_plan& plan : local_plans(model.plans, model.options)) {
    auto rank = load_device_model(packer, model.config, plan, weights, embedding);
    embedding = rank.embedding;
    model.weights.push_back(std::make_shared<const device_model>(std::move(rank)));
  }
}

// What the weights are made of.
struct weight_types {
  weight_type layers;
  weight_type vocabulary;
};

weight_types types_of(const cpu_runner_options& options) {
  return {layer_weights_of(options.weights, options.type),
          vocabulary_weights_of(options.weights, options.type)};
}

std::uint64_t rank_weight_bytes(const model_config& config, const shard_plan& plan,
                                weight_types types) {
  const std::uint64_t qkv = plan.q_size() + 2ULL * plan.kv_size();
  const std::uint64_t hidden = config.hidden_size;
  const std::uint64_t features = plan.intermediate.size();
  const std::uint64_t layer = packed_matrix::size_in_bytes(qkv, hidden, types.layers) +
                              packed_matrix::size_in_bytes(hidden, plan.q_size(), types.layers) +
                              packed_matrix::size_in_bytes(2 * features, hidden, types.layers) +
                              packed_matrix::size_in_bytes(hidden, features, types.layers) +
                              (2 * hidden + qkv) * sizeof(float);
  const bool shares_embedding = config.tie_word_embeddings && plan.tp_size == 1;
  const std::uint64_t lm_head =
      shares_embedding
          ? 0
          : packed_matrix::size_in_bytes(plan.vocab_per_rank, hidden, types.vocabulary);
  return config.num_hidden_layers * layer + hidden * sizeof(float) + lm_head;
}

}  // namespace

kv_type kv_type_of(const cpu_runner_options& options) {
  return options.kv.value_or(kv_type_of(options.type));
}

outcome<cpu_memory> measure_cpu_memory(const model_config& config,
                                       const cpu_runner_options& wanted) {
  const cpu_runner_options options = completed(wanted, config);
  if (auto checked = check(config, options); !checked) return checked.error();
  auto plans = plan_ranks(config, options);
  if (!plans) return plans.error();
  cpu_memory out;
  const weight_types types = types_of(options);
  out.weight_bytes =
      packed_matrix::size_in_bytes(config.vocab_size, config.hidden_size, types.vocabulary);
  for (const shard_plan& plan : local_plans(*plans, options)) {
    const auto activations = forward::count_activations(
        config, plan, {options.max_num_batched_tokens, options.max_num_logit_rows});
    out.weight_bytes += rank_weight_bytes(config, plan, types);
    out.activation_bytes += (activations.num_elements + activations.num_logits) * sizeof(float);
    if (options.weights != weight_format::plain) {
      out.activation_bytes += max_rows(options) *
                              kernels::quantized_stride(max_in_features(config, plan)) *
                              sizeof(std::uint32_t);
    }
    if (options.num_local_ranks < plan.tp_size) {  // what a sum over connections holds
      out.activation_bytes +=
          3ULL * options.max_num_batched_tokens * config.hidden_size * sizeof(float);
    }
    if (plan.tp_size == 1) {
      out.activation_bytes +=
          options.max_num_logit_rows * kernels::maxima_stride(config.vocab_size) * sizeof(float);
    }
    const kv_shape pages{config.num_hidden_layers, 1, plan.num_kv_heads(), plan.head_dim,
                         kv_type_of(options)};
    out.kv_page_bytes += pages.page_bytes();
  }
  const std::uint64_t num_ropes = config.yarn ? 2 : 1;
  out.rope_bytes = num_ropes * options.max_model_len * config.head_dim * sizeof(float);
  return out;
}

outcome<std::shared_ptr<const cpu_model>> load_cpu_model(const model_config& config,
                                                         const model_weights& weights,
                                                         const cpu_runner_options& options) {
  const auto model = std::make_shared<cpu_model>();
  model->config = config;
  model->options = completed(options, config);
  if (auto checked = check(config, model->options); !checked) return checked.error();
  auto plans = plan_ranks(config, options);
  if (!plans) return plans.error();
  model->plans = *std::move(plans);
  static_assert(static_cast<std::size_t>(rope_kind::plain) == 0);
  for (const rope_kind kind : {rope_kind::plain, rope_kind::scaled}) {
    if (kind == rope_kind::scaled && !config.yarn) continue;
    model->ropes[static_cast<std::size_t>(kind)] =
        make_rope_table(config, kind, options.max_model_len);
  }
  try {
    pack_weights(*model, weights);
  } catch (const std::bad_alloc&) {
    return failure{error_code::too_large, "The memory does not hold the model's weights.",
                   "weights"};
  }
  return std::shared_ptr<const cpu_model>(model);
}

std::vector<std::unique_ptr<model_runner>> make_model_runners(
    const std::shared_ptr<const cpu_model>& model,
    std::vector<std::unique_ptr<host_communicator>> ranks) {
  const auto plans = local_plans(model->plans, model->options);
  const auto tp_size = static_cast<std::uint32_t>(model->plans.size());
  if (ranks.empty() && plans.size() < tp_size) {
    throw device_error("Ranks of several processes need a way to each other.");
  }
  if (ranks.empty() && tp_size == 1) ranks.push_back(make_loopback_communicator());
  if (ranks.empty()) ranks = make_host_communicators(tp_size);
  std::vector<std::unique_ptr<model_runner>> runners;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const shard_plan& plan = plans[i];
    model_runner_parts parts{std::make_unique<cpu_device>(device_options(*model, plan)),
                             std::move(ranks[i]), model->weights[i], model};
    runners.push_back(std::make_unique<model_runner>(std::move(parts), model->config, plan,
                                                     limits_of(model->config, model->options)));
  }
  return runners;
}

outcome<runner_factory> make_cpu_runner_factory(const model_config& config,
                                                const model_weights& weights,
                                                const cpu_runner_options& options) {
  auto model = load_cpu_model(config, weights, options);
  if (!model) return model.error();
  return runner_factory([shared = *model] {
    std::vector<std::unique_ptr<runner>> runners;
    for (auto& made : make_model_runners(shared)) runners.push_back(std::move(made));
    return runners;
  });
}

outcome<rank_factory> make_cpu_rank_factory(const model_config& config,
                                            const model_weights& weights,
                                            const cpu_runner_options& options, host_meeting meet) {
  auto model = load_cpu_model(config, weights, options);
  if (!model) return model.error();
  return rank_factory([shared = *model, meet = std::move(meet)](const rank_meeting& meeting) {
    std::vector<std::unique_ptr<runner>> runners;
    for (auto& made : make_model_runners(shared, meet(meeting))) runners.push_back(std::move(made));
    return runners;
  });
}

}  // namespace troupe
