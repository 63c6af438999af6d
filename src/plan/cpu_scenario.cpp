#include "plan/cpu_scenario.hpp"

#include <filesystem>
#include <new>
#include <utility>

#include "cpu/cpu_runner.hpp"
#include "plan/cpu_clock.hpp"

namespace troupe::planning {
namespace {

failure refuse(std::string message, std::string field) {
  return {error_code::invalid_argument, std::move(message), std::move(field), {}};
}

outcome<engine_options> options_of(const plan_request& request) {
  if (request.tensor_parallel_size.value_or(1) != 1)
    return refuse("the CPU is planned with one rank", "--tensor-parallel-size");
  auto options = request.engine;
  options.device = device_kind::cpu;
  options.num_speculative_tokens = 0;  // drawn answers repeat nothing that could be guessed
  if (std::filesystem::is_directory(request.model))
    options.model_dir = request.model;
  else
    options.format = load_format::dummy;
  return options;
}

outcome<std::unique_ptr<runner>> load_runner(const planned_model& plan,
                                             const engine_options& options) {
  auto factory = load_runners(plan, options);
  if (!factory) return factory.error();
  try {
    auto ranks = (*factory)();
    return std::move(ranks.front());
  } catch (const std::bad_alloc&) {
    return refuse("the memory does not hold the KV pages and activations",
                  "--gpu-memory-utilization");
  }
}

}  // namespace

outcome<plan_report> plan_cpu(const plan_request& request) {
  auto known = find_model(request);
  if (!known) return known.error();
  auto options = options_of(request);
  if (!options) return options.error();
  auto plan = plan_shape(*options, *known);
  if (!plan) return plan.error();
  auto device = load_runner(*plan, *options);
  if (!device) return device.error();
  const auto probes = choose_probes(plan->limits);
  const auto seconds = measure(**device, probes, plan->limits, plan->config.vocab_size);
  device->reset();
  plan_report report{.model = request.model,
                     .weights = name_of_weights(*plan),
                     .pages = plan->memory.request.kv_dtype,
                     .limits = plan->limits,
                     .load = request.load,
                     .ttft_slo_seconds = request.ttft_slo_seconds,
                     .usd_per_gpu_hour = request.usd_per_gpu_hour};
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const auto& one = probes[i];
    const shape_count shape{one.rows(), one.has_logits ? one.num_seqs : 0, one.context};
    report.measured.push_back({shape, seconds[i]});
  }
  const deployment what{.limits = plan->limits,
                        .vocab_size = plan->config.vocab_size,
                        .step_seconds = [clock = fit_clock(probes, seconds)](
                                            const step_batch& batch) { return clock.time(batch); }};
  auto rows = run_rows(request, what);
  if (!rows) return rows.error();
  report.layouts.push_back({.where = {.device = "cpu"}, .memory = plan->memory, .rows = *rows});
  report.recommendation = recommend(report);
  return report;
}

}  // namespace troupe::planning
