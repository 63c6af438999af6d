#include "cuda/cuda_runner.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "cuda/cuda_device.hpp"
#include "model/rope.hpp"

namespace troupe {

// Everything that survives a failed set of runners.
class cuda_model {
 public:
  model_config config;
  cuda_runner_options options;
  std::vector<shard_plan> plans;                             // [tp_size]
  std::vector<std::shared_ptr<const device_model>> weights;  // [ranks of this process]
  std::array<rope_table, 2> ropes;  // [rope_kind]; without YaRN only the plain one
  std::shared_ptr<const cuda::gemm_choices> gemms;

  // Of the runners made before: how long their memory is in use.
  mutable std::mutex leases_lock;
  mutable std::vector<std::weak_ptr<const void>> leases;
};

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 15s;  // for runners that are being freed
constexpr std::uint32_t max_measured_rows = 8192;

failure refuse(std::string message, std::string field) {
  return {error_code::invalid_argument, std::move(message), std::move(field)};
}

refusal check_shape(const model_config& config, const shard_plan& plan, bool has_byte_weights) {
  if (config.head_dim != 64 && config.head_dim != 128) {
    return refuse("The model has a head_dim of " + std::to_string(config.head_dim) +
                      "; the GPU kernels know 64 and 128.",
                  "head_dim");
  }
  const std::uint32_t group = plan.num_q_heads() / std::max(1U, plan.num_kv_heads());
  if (group > 8) {
    return refuse("The model has " + std::to_string(group) +
                      " query heads for one key-value head; the GPU kernels know up to 8.",
                  "num_attention_heads");
  }
  const std::uint32_t step = has_byte_weights ? 16 : 8;
  if (config.hidden_size % step != 0 || config.hidden_size > 8192) {
    return refuse("The model has a hidden_size of " + std::to_string(config.hidden_size) +
                      "; the GPU kernels need a multiple of " + std::to_string(step) +
                      " up to 8192.",
                  "hidden_size");
  }
  if (plan.intermediate.size() % step != 0) {
    return refuse("A rank has " + std::to_string(plan.intermediate.size()) +
                      " intermediate features; the GPU kernels need a multiple of " +
                      std::to_string(step) + ".",
                  "intermediate_size");
  }
  return nothing{};
}

refusal check_prefill(const std::vector<gpu_info>& gpus, const cuda_runner_options& options) {
  if (options.prefill != cuda::prefill_kernel::wgmma) return nothing{};
  for (const gpu_info& gpu : gpus) {
    if (gpu.compute_capability == cuda::wgmma_capability) continue;
    return refuse("The wgmma kernel needs compute capability 9.0; the GPU " + gpu.name + " has " +
                      std::to_string(gpu.compute_capability / 10) + "." +
                      std::to_string(gpu.compute_capability % 10) + ".",
                  "prefill-attention");
  }
  return nothing{};
}

cuda_runner_options completed(cuda_runner_options options, const model_config& config) {
  complete(options, config);
  if (options.num_local_ranks == 0) options.num_local_ranks = std::max(options.tp_size, 1U);
  return options;
}

refusal check_ranks(const cuda_runner_options& options) {
  if (options.tp_size > cuda::max_ranks) {
    return refuse("At most " + std::to_string(cuda::max_ranks) + " GPUs can share a model.",
                  "tensor-parallel-size");
  }
  const bool are_all_here = options.num_local_ranks == std::max(options.tp_size, 1U);
  if (options.first_rank + options.num_local_ranks > std::max(options.tp_size, 1U)) {
    return refuse("There are " + std::to_string(options.tp_size) + " ranks; ranks " +
                      std::to_string(options.first_rank) + " to " +
                      std::to_string(options.first_rank + options.num_local_ranks - 1) +
                      " were asked for.",
                  "tensor-parallel-size");
  }
  if (options.ranks_share_gpu && !are_all_here) {
    return refuse("Ranks that share a GPU are in one process.", "tensor-parallel-size");
  }
  return nothing{};
}

outcome<std::vector<shard_plan>> plan_ranks(const model_config& config,
                                            const cuda_runner_options& options) {
  if (auto checked = check_ranks(options); !checked) return checked.error();
  if (auto checked = check_options(config, options); !checked) return checked.error();
  std::vector<shard_plan> plans;
  for (std::uint32_t rank = 0; rank < std::max(options.tp_size, 1U); ++rank) {
    auto plan = plan_shard(config, options.tp_size, rank);
    if (!plan) return plan.error();
    if (auto checked = check_shape(config, *plan, options.has_byte_weights); !checked)
      return checked.error();
    plans.push_back(*std::move(plan));
  }
  return plans;
}

cuda::cuda_device_options device_options(const cuda_model& model, std::uint32_t rank) {
  const cuda_runner_options& options = model.options;
  const shard_plan& plan = model.plans[rank];
  cuda::cuda_device_options out;
  out.device_index = options.ranks_share_gpu ? 0 : static_cast<int>(rank - options.first_rank);
  out.num_layers = model.config.num_hidden_layers;
  out.heads = {plan.num_q_heads(), plan.num_kv_heads(), plan.head_dim};
  out.num_pages = options.num_pages;
  out.kv = options.kv;
  out.prefill = options.prefill;
  out.has_byte_weights = options.has_byte_weights;
  out.max_num_rows = options.max_num_batched_tokens;
  out.max_num_logit_rows = options.max_num_logit_rows;
  out.max_num_seqs = options.max_num_seqs;
  out.max_model_len = options.max_model_len;
  out.num_tokens = options.num_tokens;
  out.max_logprobs = options.max_logprobs;
  out.eos_token_ids = options.eos_token_ids;
  out.deterministic = options.deterministic;
  out.load_threads = options.load_threads;
  out.on_warning = options.on_warning;
  for (std::size_t kind = 0; kind < model.ropes.size(); ++kind) {
    const rope_table& table = model.config.yarn ? model.ropes[kind] : model.ropes.front();
    out.ropes[kind] = {table.cos, table.sin};
  }
  return out;
}

forward_limits rows_of(const cuda_runner_options& options) {
  return {options.max_num_batched_tokens, options.max_num_logit_rows};
}

std::uint64_t weight_bytes(const model_config& config, const shard_plan& plan,
                           const cuda_runner_options& options) {
  const auto kind = options.has_byte_weights ? cuda::weight_kind::bytes : cuda::weight_kind::halves;
  const auto matrix = [kind](std::uint64_t out_features, std::uint32_t in_features) {
    return cuda::cuda_matrix::size_in_bytes(out_features, in_features, kind);
  };
  const std::uint64_t qkv = plan.q_size() + 2ULL * plan.kv_size();
  const std::uint32_t hidden = config.hidden_size;
  const std::uint32_t features = plan.intermediate.size();
  const std::uint64_t vectors = 2ULL * hidden + qkv;
  const std::uint64_t layer = matrix(qkv, hidden) + matrix(hidden, plan.q_size()) +
                              matrix(2ULL * features, hidden) + matrix(hidden, features) +
                              vectors * cuda::cuda_vector::element_bytes;
  const bool shares_embedding = config.tie_word_embeddings && plan.tp_size == 1;
  return matrix(config.vocab_size, hidden) + config.num_hidden_layers * layer +
         hidden * cuda::cuda_vector::element_bytes +
         (shares_embedding ? 0 : matrix(plan.vocab_per_rank, hidden));
}

// A device without rows uploads the weights of its rank. Ranks that share a GPU share the
// embedding.
void upload_weights(cuda_model& model, const model_weights& weights) {
  const std::uint32_t first = model.options.first_rank;
  const std::uint32_t end = first + model.options.num_local_ranks;
  const std::uint64_t all =
      weight_bytes(model.config, model.plans.front(), model.options) * (end - first);
  std::uint64_t done = 0;
  shared_matrix embedding;
  for (std::uint32_t rank = first; rank < end; ++rank) {
    cuda::cuda_device_options options = device_options(model, rank);
    options.max_num_rows = options.num_pages = options.max_num_seqs = 0;
    options.on_loaded = [&](std::uint64_t num_bytes) {
      done += num_bytes;
      if (model.options.on_progress) model.options.on_progress(std::min(done, all), all);
    };
    cuda::cuda_device loader(options);
    auto loaded = load_device_model(loader, model.config, model.plans[rank], weights, embedding);
    if (model.options.ranks_share_gpu) embedding = loaded.embedding;
    model.weights.push_back(std::make_shared<const device_model>(std::move(loaded)));
  }
}

cuda::weight_view view_of(const shared_matrix& matrix) {
  return static_cast<const cuda::cuda_matrix&>(*matrix).view();
}

// All ranks have equal shapes and GPUs: the first one's measurements are everybody's.
void choose_gemms(cuda_model& model) {
  using member = shared_matrix device_layer::*;
  const device_model& weights = *model.weights.front();
  std::vector<std::pair<cuda::gemm_shape, std::vector<cuda::weight_view>>> matrices;
  const bool has_bytes = model.options.has_byte_weights;
  for (const member each :
       {&device_layer::qkv, &device_layer::o, &device_layer::gate_up, &device_layer::down}) {
    const device_matrix& first = *(weights.layers.front().*each);
    const bool has_bias = each == &device_layer::qkv;
    matrices.push_back(
        {{first.out_features(), first.in_features(), has_bias, false, has_bytes}, {}});
    for (const device_layer& layer : weights.layers) {
      matrices.back().second.push_back(view_of(layer.*each));
    }
  }
  const device_matrix& head = *weights.lm_head;
  cuda::cuda_device_options options = device_options(model, model.options.first_rank);
  options.max_num_rows = options.num_pages = options.max_num_seqs = 0;
  cuda::cuda_device device(options);
  auto gemms = std::make_shared<cuda::gemm_choices>();
  device.choose_gemms(matrices, std::min(model.options.max_num_batched_tokens, max_measured_rows),
                      *gemms);
  device.choose_gemms({{{head.out_features(), head.in_features(), false, true, has_bytes},
                        {view_of(weights.lm_head)}}},
                      model.options.max_num_logit_rows, *gemms);
  model.gemms = std::move(gemms);
}

// Their memory must be free before others take it; a rank that never comes back keeps it.
void wait_for_leases(const cuda_model& model) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const std::lock_guard hold(model.leases_lock);
  const auto is_held = [](const std::weak_ptr<const void>& lease) { return !lease.expired(); };
  while (std::ranges::any_of(model.leases, is_held)) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw device_error("A rank that was told to stop still holds its GPU's memory.");
    }
    std::this_thread::sleep_for(1ms);
  }
  model.leases.clear();
}

std::shared_ptr<const void> take_lease(const cuda_model& model) {
  auto lease = std::make_shared<const int>(0);
  const std::lock_guard hold(model.leases_lock);
  model.leases.push_back(lease);
  return lease;
}

std::vector<std::unique_ptr<cuda::gpu_communicator>> join_ranks(const cuda_model& model,
                                                                const gpu_group_id* group) {
  const auto size = static_cast<std::uint32_t>(model.plans.size());
  std::vector<std::unique_ptr<cuda::gpu_communicator>> out;
  if (size == 1) {
    out.push_back(cuda::make_single_communicator());
    return out;
  }
  if (model.options.ranks_share_gpu) return cuda::make_shared_gpu_communicators(size);
  if (group == nullptr && model.options.num_local_ranks < size) {
    throw device_error("Ranks of several processes need a group to meet in.");
  }
  cuda::nccl_options options{.group = group != nullptr ? *group : cuda::make_group_id(),
                             .size = size,
                             .rank_order = model.options.deterministic};
  const std::uint64_t max_elements =
      std::uint64_t{model.options.max_num_batched_tokens} * model.config.hidden_size;
  options.max_elements = max_elements;
  // Each rank waits for the others while it joins.
  std::vector<std::future<std::unique_ptr<cuda::gpu_communicator>>> joining;
  for (std::uint32_t i = 0; i < model.options.num_local_ranks; ++i) {
    options.rank = model.options.first_rank + i;
    options.device_index = static_cast<int>(i);
    joining.push_back(std::async(std::launch::async, [options, limit = model.options.meeting_ms] {
      return cuda::make_nccl_communicator(options, limit);
    }));
  }
  for (auto& one : joining) one.wait();
  for (auto& one : joining) out.push_back(one.get());
  if (!model.options.peer_sums || out.size() < size) return out;
  return cuda::make_peer_communicators(
      std::move(out), {.width = model.config.hidden_size, .max_elements = max_elements});
}

}  // namespace

outcome<cuda_memory> measure_cuda_memory(const model_config& config,
                                         const cuda_runner_options& wanted) {
  cuda_model model;
  model.config = config;
  model.options = completed(wanted, config);
  auto plans = plan_ranks(config, model.options);
  if (!plans) return plans.error();
  model.plans = *std::move(plans);
  const shard_plan& plan = model.plans.front();
  const auto activations = forward::count_activations(config, plan, rows_of(model.options));
  const std::uint64_t ranks = model.options.ranks_share_gpu ? model.plans.size() : 1;
  const cuda::device_sizes sizes(device_options(model, model.options.first_rank));
  cuda_memory out;
  out.weight_bytes = ranks * weight_bytes(config, plan, model.options);
  out.kv_page_bytes = ranks * 2 * config.num_hidden_layers * sizes.layer_page_bytes;
  out.activation_bytes = ranks * (activations.num_elements * sizeof(cuda::bf16) +
                                  activations.num_logits * sizeof(float));
  out.other_bytes = ranks * sizes.total();
  return out;
}

outcome<std::shared_ptr<const cuda_model>> load_cuda_model(const model_config& config,
                                                           const model_weights& weights,
                                                           const cuda_runner_options& options) {
  const std::uint32_t wanted = completed(options, config).num_local_ranks;
  auto gpus = list_gpus(options.ranks_share_gpu ? 1U : wanted);
  if (!gpus) return gpus.error();
  if (!options.ranks_share_gpu && wanted > gpus->size()) {
    return refuse("A tensor parallel size of " + std::to_string(options.tp_size) + " needs " +
                      std::to_string(wanted) + " GPUs; this machine has " +
                      std::to_string(gpus->size()) + ".",
                  "tensor-parallel-size");
  }
  if (auto checked = check_prefill(*gpus, options); !checked) return checked.error();
  const auto model = std::make_shared<cuda_model>();
  model->config = config;
  model->options = completed(options, config);
  auto plans = plan_ranks(config, model->options);
  if (!plans) return plans.error();
  model->plans = *std::move(plans);
  for (const rope_kind kind : {rope_kind::plain, rope_kind::scaled}) {
    if (kind == rope_kind::scaled && !config.yarn) continue;
    model->ropes[static_cast<std::size_t>(kind)] =
        make_rope_table(config, kind, options.max_model_len);
  }
  try {
    upload_weights(*model, weights);
    if (options.measure_gemms || options.deterministic) choose_gemms(*model);
  } catch (const device_error& error) {
    return failure{error_code::engine_failed, error.what(), "device"};
  }
  return std::shared_ptr<const cuda_model>(model);
}

outcome<gpu_group_id> make_gpu_group_id() {
  try {
    return cuda::make_group_id();
  } catch (const device_error& error) {
    return failure{error_code::engine_failed, error.what(), "device"};
  }
}

std::vector<std::unique_ptr<model_runner>> make_model_runners(
    const std::shared_ptr<const cuda_model>& model, const gpu_group_id* group) {
  wait_for_leases(*model);
  auto ranks = join_ranks(*model, group);
  std::vector<std::unique_ptr<model_runner>> runners;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const auto rank = model->options.first_rank + static_cast<std::uint32_t>(i);
    cuda::cuda_device_options options = device_options(*model, rank);
    options.use_graphs = model->options.use_graphs && ranks[i]->can_be_captured();
    options.lease = take_lease(*model);
    auto device = std::make_unique<cuda::cuda_device>(options);
    if (model->gemms != nullptr) device->use_gemms(model->gemms);
    model_runner_parts parts{std::move(device), std::move(ranks[i]), model->weights[i], model};
    runners.push_back(std::make_unique<model_runner>(std::move(parts), model->config,
                                                     model->plans[rank],
                                                     limits_of(model->config, model->options)));
  }
  return runners;
}

outcome<runner_factory> make_cuda_runner_factory(const model_config& config,
                                                 const model_weights& weights,
                                                 const cuda_runner_options& options) {
  auto model = load_cuda_model(config, weights, options);
  if (!model) return model.error();
  return runner_factory([shared = *model] {
    std::vector<std::unique_ptr<runner>> runners;
    for (auto& made : make_model_runners(shared)) runners.push_back(std::move(made));
    return runners;
  });
}

}  // namespace troupe
