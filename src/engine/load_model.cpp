#include "engine/load_model.hpp"

#include <algorithm>
#include <utility>

#include "core/draft_plan.hpp"
#include "engine/cuda_device.hpp"
#include "engine/machine.hpp"
#include "engine/simulated_device.hpp"
#include "engine/weight_choice.hpp"
#include "model/weights.hpp"

namespace troupe {
namespace {

// Stacks, actor mailboxes, HTTP buffers and the allocator's own: measured below this, rounded up.
constexpr std::uint64_t margin_bytes = 256U << 20;

// A step of eight rows waits for a model's weights about as long as a step of one. What is drawn
// (null, sim) repeats nothing.
constexpr std::uint32_t default_speculative_tokens = 7;

outcome<std::uint64_t> read_available_memory(const engine_options& options) {
  auto here = read_machine();
  if (!here) return here.error();
  return std::min(here->available_bytes, options.memory_limit.value_or(here->available_bytes));
}

dtype choose_dtype(const engine_options& options, const model_config& config) {
  if (options.device == device_kind::cuda) return dtype::bfloat16;
  if (options.dtype == "float32") return dtype::float32;
  if (options.dtype == "bfloat16") return dtype::bfloat16;
  return config.type == dtype::float32 ? dtype::float32 : dtype::bfloat16;
}

std::optional<kv_type> choose_kv_type(const engine_options& options) {
  switch (options.kv_dtype) {
    case kv_cache_dtype::automatic:
    case kv_cache_dtype::fp8: break;  // a GPU's
    case kv_cache_dtype::bf16: return kv_type::bfloat16;
    case kv_cache_dtype::int8: return kv_type::int8;
  }
  return std::nullopt;
}

outcome<std::uint32_t> choose_context(const engine_options& options, const model_config& config) {
  if (options.max_model_len == 0) return config.max_context();
  if (options.max_model_len > config.max_context())
    return failure{error_code::invalid_argument,
                   "--max-model-len " + std::to_string(options.max_model_len) +
                       " is longer than the " + std::to_string(config.max_context()) +
                       " tokens that the model can do",
                   "--max-model-len",
                   {}};
  return options.max_model_len;
}

std::uint32_t count_tokens(const planned_model& plan) {
  return plan.words ? plan.words->vocab_size() : plan.config.vocab_size;
}

engine_limits make_limits(const engine_options& options, const planned_model& plan,
                          std::uint32_t context) {
  engine_limits limits;
  // Every running sequence must get a row in every step, or the youngest would wait for ever.
  limits.max_num_seqs = std::min(options.max_num_seqs, options.max_num_batched_tokens);
  limits.max_num_batched_tokens = options.max_num_batched_tokens;
  limits.max_model_len = context;
  limits.max_waiting_requests = options.max_queued_requests;
  limits.max_waiting_tokens = options.max_queued_tokens;
  limits.enable_prefix_caching = options.enable_prefix_caching;
  limits.queue_timeout = options.queue_timeout;
  limits.request_timeout = options.request_timeout;
  limits.eos_token_ids = plan.defaults.eos_token_ids;
  limits.vocab_size = count_tokens(plan);
  limits.num_speculative_tokens = options.num_speculative_tokens.value_or(
      options.device == device_kind::cpu ? default_speculative_tokens : 0);
  limits.prompt_lookup_min = options.prompt_lookup_min;
  limits.prompt_lookup_max = std::max(options.prompt_lookup_max, options.prompt_lookup_min);
  limits.max_speculative_rows = options.max_speculative_rows;
  if (plan.config.yarn) {
    limits.default_rope = rope_kind::scaled;
    if (options.yarn == yarn_mode::per_request)
      limits.plain_rope_window = plan.config.yarn->original_max_position_embeddings;
  }
  return limits;
}

cpu_runner_options make_runner_options(const engine_options& options, const planned_model& plan,
                                       weight_format weights) {
  cpu_runner_options runner;
  runner.type = choose_dtype(options, plan.config);
  runner.weights = weights;
  runner.kv = choose_kv_type(options);
  runner.tp_size = options.tensor_parallel_size;
  runner.num_local_ranks = num_local_ranks(options);
  runner.first_rank = options.node_rank * runner.num_local_ranks;
  runner.threads.num_threads =
      options.threads ? options.threads : std::max(1U, count_cores() / runner.num_local_ranks);
  runner.max_num_seqs = plan.limits.max_num_seqs;
  runner.max_num_batched_tokens = plan.limits.max_num_batched_tokens;
  runner.max_num_logit_rows = count_logit_rows(plan.limits);
  runner.max_model_len = plan.limits.max_model_len;
  runner.num_tokens = count_tokens(plan);
  runner.eos_token_ids = plan.defaults.eos_token_ids;
  return runner;
}

// As many pages as every slot could fill, unless the memory or a flag says less.
std::uint64_t useful_pages(const engine_limits& limits) {
  auto pages_per_sequence =
      (std::uint64_t{limits.max_model_len} + page_size_tokens - 1) / page_size_tokens;
  return pages_per_sequence * limits.max_num_seqs;
}

// What the machine's memory must hold.
outcome<memory_request> measure_machine(const engine_options& options, const planned_model& plan) {
  auto available = read_available_memory(options);
  if (!available) return available.error();
  if (options.device == device_kind::null) return measure_null_device(*available);
  auto cost = measure_cpu_memory(plan.config, plan.runner);
  if (!cost) return cost.error();
  return memory_request{.weight_bytes = cost->weight_bytes,
                        .activation_bytes = cost->activation_bytes,
                        .margin_bytes = margin_bytes + cost->rope_bytes,
                        .kv_page_bytes = cost->kv_page_bytes,
                        .kv_dtype = std::string(to_string(kv_type_of(plan.runner))),
                        .total_bytes = *available};
}

outcome<memory_request> measure_device(const engine_options& options, const planned_model& plan) {
  if (options.device == device_kind::sim) return measure_gpu(options, plan);
  if (options.device == device_kind::cuda) return measure_cuda(options, plan);
  return measure_machine(options, plan);
}

// A GPU is ours alone, as a rule; a machine's memory is not.
double share_of_memory(const engine_options& options) {
  const bool is_gpu = options.device == device_kind::cuda || options.device == device_kind::sim;
  return options.memory_utilization.value_or(is_gpu ? 0.9 : 0.5);
}

outcome<memory_plan> make_memory_plan(const engine_options& options, const planned_model& plan) {
  auto measured = measure_device(options, plan);
  if (!measured) return measured.error();
  memory_request ask = *measured;
  ask.kv_cache_bytes = options.kv_cache_bytes;
  ask.num_pages = options.num_kv_pages;
  ask.max_model_len = plan.limits.max_model_len;
  ask.max_num_seqs = plan.limits.max_num_seqs;
  ask.max_num_batched_tokens = plan.limits.max_num_batched_tokens;
  ask.total_flag = "--gpu-memory-utilization";
  ask.total_bytes =
      static_cast<std::uint64_t>(static_cast<double>(*ask.total_bytes) * share_of_memory(options));
  auto all_that_fits = plan_memory(ask);
  if (!all_that_fits || options.kv_cache_bytes || options.num_kv_pages) return all_that_fits;
  if (all_that_fits->num_pages <= useful_pages(plan.limits)) return all_that_fits;
  ask.num_pages = useful_pages(plan.limits);
  return plan_memory(ask);
}

failure refuse(std::string message, std::string flag) {
  return {error_code::invalid_argument, std::move(message), std::move(flag)};
}

// What the kind of device cannot do; for CUDA engine/cuda_device.cpp knows.
refusal check_device(const engine_options& options, weight_format weights) {
  const auto kv = options.kv_dtype;
  switch (options.device) {
    case device_kind::cpu:
      if (kv != kv_cache_dtype::fp8) return nothing{};
      return refuse("asks for fp8, which is the GPUs'; the CPU has int8", "--kv-cache-dtype");
    case device_kind::sim:
      if (weights == weight_format::int4)
        return refuse("asks for int4, which is the CPU's; GPUs have int8", "--quantization");
      if (kv != kv_cache_dtype::int8) return nothing{};
      return refuse("asks for int8, which is the CPU's; GPUs have fp8", "--kv-cache-dtype");
    case device_kind::null:
      if (weights != weight_format::plain)
        return refuse("asks for quantised weights, and --device null reads none", "--quantization");
      if (kv == kv_cache_dtype::automatic) return nothing{};
      return refuse("says how keys and values are stored, and --device null stores none",
                    "--kv-cache-dtype");
    case device_kind::cuda:
    case device_kind::automatic: break;
  }
  return nothing{};
}

// A GPU takes a checkpoint's integers as floats.
quantization wanted_weights(const engine_options& options) {
  const bool is_free = options.weights == quantization::automatic;
  const bool is_gpu = options.device == device_kind::cuda || options.device == device_kind::sim;
  return is_free && is_gpu ? quantization::none : options.weights;
}

bool computes(const engine_options& options) {
  return options.device == device_kind::cpu || options.device == device_kind::cuda;
}

outcome<model_weights> read_weights(const planned_model& plan, const engine_options& options) {
  return options.format == load_format::dummy ? make_dummy_weights(plan.config, options.seed)
                                              : load_weights(options.model_dir, plan.config);
}

std::string name_of(const std::filesystem::path& model_dir) {
  auto path = std::filesystem::weakly_canonical(model_dir);
  return path.filename().string();
}

}  // namespace

std::string name_of_weights(const planned_model& plan) {
  switch (plan.runner.weights) {
    case weight_format::int8: return "int8";
    case weight_format::int4: return "int4";
    case weight_format::plain: break;
  }
  return std::string(to_string(plan.runner.type));
}

std::string name_of_quantization(const planned_model& plan) {
  if (plan.runner.weights == weight_format::plain) return {};
  return plan.config.published ? std::string(to_string(plan.config.published->layout))
                               : name_of_weights(plan);
}

outcome<planned_model> plan_model(const engine_options& options) {
  planned_model plan;
  plan.name =
      options.served_model_name.empty() ? name_of(options.model_dir) : options.served_model_name;
  auto config = read_model_config(options.model_dir);
  if (!config) return config.error();
  plan.config = *std::move(config);
  auto defaults = read_generation_defaults(options.model_dir);
  if (!defaults) return defaults.error();
  plan.defaults = *std::move(defaults);
  auto words = tokenizer::load(options.model_dir);
  if (!words) return words.error();
  plan.words = std::make_shared<const tokenizer>(*std::move(words));
  auto chat = chat_template::load(options.model_dir);
  if (chat)
    plan.chat = *std::move(chat);
  else if (chat.error().code != error_code::unsupported)
    return chat.error();
  return plan_shape(options, std::move(plan));
}

outcome<planned_model> plan_shape(const engine_options& options, planned_model plan) {
  auto weights = choose_weight_format(wanted_weights(options), plan.config);
  if (!weights) return weights.error();
  if (auto checked = check_device(options, *weights); !checked) return checked.error();
  auto context = choose_context(options, plan.config);
  if (!context) return context.error();
  plan.limits = make_limits(options, plan, *context);
  plan.runner = make_runner_options(options, plan, *weights);
  plan.device =
      options.device == device_kind::cuda ? describe_cuda(options) : describe_device(options);
  if (*weights != weight_format::plain)
    plan.device += ", " + name_of_weights(plan) + " weights (" + name_of_quantization(plan) + ")";
  auto memory = make_memory_plan(options, plan);
  if (!memory) return memory.error();
  plan.memory = *std::move(memory);
  plan.limits.num_pages = plan.memory.num_pages;
  plan.runner.num_pages = plan.memory.num_pages;
  return plan;
}

sampling_params default_sampling(const planned_model& plan) {
  sampling_params out;
  out.temperature = plan.defaults.temperature.value_or(out.temperature);
  out.top_p = plan.defaults.top_p.value_or(out.top_p);
  out.top_k = plan.defaults.top_k.value_or(out.top_k);
  out.repetition_penalty = plan.defaults.repetition_penalty.value_or(out.repetition_penalty);
  return out;
}

outcome<runner_factory> load_runners(const planned_model& plan, const engine_options& options,
                                     load_progress on_progress, device_warning on_warning) {
  if (!computes(options)) return make_simulated_runners(plan, options);
  auto weights = read_weights(plan, options);
  if (!weights) return weights.error();
  if (options.device == device_kind::cuda)
    return make_cuda_runners(plan, options, *weights, std::move(on_progress),
                             std::move(on_warning));
  return make_cpu_runner_factory(plan.config, *weights, plan.runner);
}

outcome<rank_factory> load_ranks(const planned_model& plan, const engine_options& options,
                                 host_meeting meet, load_progress on_progress,
                                 device_warning on_warning) {
  if (!computes(options))
    return refuse("asks for ranks in several processes, and no model computes there", "--nnodes");
  auto weights = read_weights(plan, options);
  if (!weights) return weights.error();
  if (options.device == device_kind::cuda)
    return make_cuda_ranks(plan, options, *weights, std::move(on_progress), std::move(on_warning));
  return make_cpu_rank_factory(plan.config, *weights, plan.runner, std::move(meet));
}

}  // namespace troupe
