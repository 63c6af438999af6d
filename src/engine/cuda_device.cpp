#include "engine/cuda_device.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "core/draft_plan.hpp"
#include "core/sampling.hpp"

namespace troupe {
namespace {

// The driver's context and modules, graphs, NCCL's buffers, those for sums with peers.
constexpr std::uint64_t cuda_margin_bytes = 1U << 30;
constexpr std::uint32_t max_load_threads = 8;

failure refuse(std::string message, std::string flag) {
  return {error_code::invalid_argument, std::move(message), std::move(flag)};
}

// What the flags ask for that only the CPU does.
refusal check_flags(const engine_options& options) {
  if (options.dtype == "float32")
    return refuse("asks for float32; GPUs compute in bfloat16", "--dtype");
  if (options.weights == quantization::int4)
    return refuse("asks for int4, which is the CPU's; GPUs have int8", "--quantization");
  if (options.kv_dtype == kv_cache_dtype::int8)
    return refuse("asks for int8, which is the CPU's; GPUs have fp8", "--kv-cache-dtype");
  return nothing{};
}

refusal check_gpus(const engine_options& options) {
  auto gpus = list_gpus(options.tensor_parallel_size);
  if (!gpus) return gpus.error();
  if (gpus->size() < options.tensor_parallel_size) {
    return refuse("needs a GPU for each rank; this machine has " + std::to_string(gpus->size()),
                  "--tensor-parallel-size");
  }
  if (options.prefill_attention == prefill_attention_kernel::mma) return nothing{};
  for (const gpu_info& gpu : *gpus) {
    if (gpu.compute_capability == cuda::wgmma_capability) continue;
    return refuse(
        "asks for wgmma, which GPUs of compute capability 9.0 have; the " + gpu.name + " has none",
        "--prefill-attention");
  }
  return nothing{};
}

}  // namespace

outcome<settled_device> settle_device(const engine_options& wanted) {
  if (wanted.device != device_kind::automatic && wanted.device != device_kind::cuda)
    return settled_device{.kind = wanted.device};
  auto checked = check_flags(wanted);
  if (checked) checked = check_gpus(wanted);
  if (checked) return settled_device{.kind = device_kind::cuda};
  if (wanted.device == device_kind::cuda) return checked.error();
  const failure& why = checked.error();
  return settled_device{
      .kind = device_kind::cpu,
      .note = (why.field.starts_with("--") ? why.field + " " : std::string()) + why.message};
}

std::string describe_cuda(const engine_options& options) {
  auto gpus = list_gpus(options.tensor_parallel_size);
  const std::string name = gpus ? gpus->front().name : "GPU";
  return "cuda: " + std::to_string(options.tensor_parallel_size) + " x " + name;
}

cuda_runner_options make_cuda_options(const engine_options& options, const planned_model& plan) {
  cuda_runner_options out{plan.runner};
  out.num_pages = plan.limits.num_pages;
  out.has_byte_weights = plan.runner.weights == weight_format::int8;
  out.kv = options.kv_dtype == kv_cache_dtype::fp8 ? cuda::kv_format::e4m3 : cuda::kv_format::bf16;
  out.max_logprobs = static_cast<std::uint32_t>(max_logprobs);
  out.deterministic = options.deterministic;
  if (options.prefill_attention == prefill_attention_kernel::wgmma) {
    out.prefill = cuda::prefill_kernel::wgmma;
  }
  out.peer_sums = options.all_reduce == all_reduce_way::peer;
  out.load_threads = std::clamp(std::thread::hardware_concurrency(), 1U, max_load_threads);
  return out;
}

outcome<memory_request> measure_cuda(const engine_options& options, const planned_model& plan) {
  auto gpus = list_gpus(options.tensor_parallel_size);
  if (!gpus) return gpus.error();
  auto cost = measure_cuda_memory(plan.config, make_cuda_options(options, plan));
  if (!cost) return cost.error();
  std::uint64_t free_bytes = ~0ULL;
  for (std::size_t rank = 0; rank < options.tensor_parallel_size && rank < gpus->size(); ++rank)
    free_bytes = std::min(free_bytes, (*gpus)[rank].free_bytes);
  return memory_request{
      .weight_bytes = cost->weight_bytes,
      .activation_bytes = cost->activation_bytes,
      .margin_bytes = cuda_margin_bytes + cost->other_bytes,
      .kv_page_bytes = cost->kv_page_bytes,
      .kv_dtype = options.kv_dtype == kv_cache_dtype::fp8 ? "fp8_e4m3" : "bfloat16",
      .total_bytes = free_bytes};
}

outcome<runner_factory> make_cuda_runners(const planned_model& plan, const engine_options& options,
                                          const model_weights& weights, load_progress on_progress,
                                          device_warning on_warning) {
  auto wanted = make_cuda_options(options, plan);
  wanted.on_progress = std::move(on_progress);
  wanted.on_warning = std::move(on_warning);
  return make_cuda_runner_factory(plan.config, weights, wanted);
}

}  // namespace troupe
