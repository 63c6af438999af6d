#include "engine/simulated_device.hpp"

#include <utility>
#include <vector>

#include "core/draft_plan.hpp"
#include "model/forward.hpp"
#include "model/sharding.hpp"
#include "sim/gpu_table.hpp"
#include "sim/sim_runner.hpp"
#include "sim/step_time.hpp"
#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t null_margin_bytes = 256U << 20;  // as the CPU device's
constexpr std::uint64_t gpu_margin_bytes = 1U << 30;     // context, libraries, graphs, workspaces
constexpr std::uint64_t expanded_bytes = 64U << 20;      // of weights of bytes, made bfloat16
// All that the house keeps of a page where no device holds keys and values.
constexpr std::uint64_t null_page_bytes = page_size_tokens * sizeof(token_id);

struct sim_parts {
  gpu_model gpu;
  gpu_link link;
};

outcome<sim_parts> find_parts(const engine_options& options) {
  const auto* gpu = find_gpu(options.sim_gpu);
  if (!gpu)
    return failure{error_code::invalid_argument, "no GPU is called " + options.sim_gpu,
                   "--sim-gpu"};
  const auto* link = find_link(options.sim_link == "auto" ? gpu->link : options.sim_link);
  if (!link)
    return failure{error_code::invalid_argument, "no link is called " + options.sim_link,
                   "--sim-link"};
  return sim_parts{*gpu, *link};
}

held_as held_form(const engine_options& options, const planned_model& plan) {
  return {.byte_weights = plan.runner.weights == weight_format::int8,
          .byte_pages = options.kv_dtype == kv_cache_dtype::fp8};
}

// Tokens of whole, well-formed characters, so that each one shows when it comes.
std::vector<token_id> plain_tokens(const planned_model& plan) {
  std::vector<token_id> out;
  for (std::uint32_t i = 0; i < plan.words->vocab_size(); ++i) {
    const auto id = static_cast<token_id>(i);
    const auto bytes = plan.words->bytes(id);
    if (!bytes.empty() && !plan.words->is_special(id) && !plan.words->find_added(bytes) &&
        is_utf8(bytes))
      out.push_back(id);
  }
  return out;
}

}  // namespace

std::string describe_device(const engine_options& options) {
  if (options.device == device_kind::cpu) return "cpu";
  if (options.device == device_kind::null) return "null";
  auto text = "sim: " + std::to_string(options.tensor_parallel_size) + " x " + options.sim_gpu;
  auto parts = find_parts(options);
  if (parts && options.tensor_parallel_size > 1) text += " over " + std::string(parts->link.name);
  return text;
}

memory_request measure_null_device(std::uint64_t available_bytes) {
  return {.margin_bytes = null_margin_bytes,
          .kv_page_bytes = null_page_bytes,
          .total_bytes = available_bytes};
}

outcome<memory_request> measure_gpu(const engine_options& options, const planned_model& plan) {
  auto parts = find_parts(options);
  if (!parts) return parts.error();
  auto shard = plan_shard(plan.config, options.tensor_parallel_size, 0);
  if (!shard) return shard.error();
  const auto activations = forward::count_activations(
      plan.config, *shard, {plan.limits.max_num_batched_tokens, count_logit_rows(plan.limits)});
  constexpr std::uint64_t element_bytes = 2;  // bfloat16; logits are float32
  const held_as form = held_form(options, plan);
  return memory_request{
      .weight_bytes = weight_bytes(count_shard_elements(plan.config, *shard), form),
      .activation_bytes = element_bytes * activations.num_elements +
                          sizeof(float) * activations.num_logits +
                          (form.byte_weights ? expanded_bytes : 0),
      .margin_bytes = gpu_margin_bytes,
      .kv_page_bytes = page_size_tokens * position_bytes(plan.config, *shard, form),
      .kv_dtype = form.byte_pages ? "fp8_e4m3" : "bfloat16",
      .total_bytes = parts->gpu.memory_bytes};
}

outcome<gpu_clockwork> find_clockwork(const engine_options& options, const planned_model& plan) {
  auto parts = find_parts(options);
  if (!parts) return parts.error();
  auto shard = plan_shard(plan.config, options.tensor_parallel_size, 0);
  if (!shard) return shard.error();
  return gpu_clockwork{parts->gpu, parts->link,
                       measure_cost(plan.config, *shard, held_form(options, plan))};
}

outcome<runner_factory> make_simulated_runners(const planned_model& plan,
                                               const engine_options& options) {
  sim_runner_options out{
      .limits = {.max_num_seqs = plan.limits.max_num_seqs,
                 .max_num_rows = plan.limits.max_num_batched_tokens,
                 .max_num_logit_rows = count_logit_rows(plan.limits),
                 .max_model_len = plan.limits.max_model_len,
                 .num_pages = plan.limits.num_pages,
                 .vocab_size = plan.config.vocab_size,
                 .num_choosable_tokens = plan.limits.vocab_size},
      .tokens = {.plain = plain_tokens(plan), .eos_token_ids = plan.limits.eos_token_ids},
      .tp_size = options.tensor_parallel_size};
  if (out.tokens.plain.empty())
    return failure{error_code::invalid_argument, "the tokenizer has no tokens to draw from",
                   "MODEL_DIR"};
  if (options.device == device_kind::sim) {
    auto clockwork = find_clockwork(options, plan);
    if (!clockwork) return clockwork.error();
    out.step_seconds = [clockwork = *clockwork](const step_batch& batch) {
      return clockwork.time(measure_load(batch)).total();
    };
    out.clock = make_steady_clock();
    out.clock->sleep_until(out.clock->now() + options.sim_load_time);
  }
  return make_sim_runner_factory(std::move(out));
}

}  // namespace troupe
