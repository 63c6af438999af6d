#include "cli/overload_flags.hpp"

#include <spdlog/spdlog.h>

#include <cmath>
#include <string>

#include "cli/flags.hpp"
#include "cli/memory_reserve.hpp"
#include "engine/machine.hpp"

namespace troupe {
namespace {

const auto* group = "Overload";

std::string mib(std::uint64_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; }

// Of all replicas that this machine may run, or of this process; GPUs and what is drawn hold their
// plan elsewhere.
memory_held planned_here(const planned_model& plan, const serve_options& options) {
  if (options.device != device_kind::cpu) return {};
  std::uint64_t num_copies = 1;
  if (auto& range = options.fleet.replicas) num_copies = range->max + options.fleet.num_standby;
  return {.weights = plan.memory.request.weight_bytes * num_copies,
          .activations = plan.memory.request.activation_bytes * num_copies,
          .kv_pages = plan.memory.kv_bytes * num_copies};
}

void add_mark(CLI::App* app, const std::string& name, std::uint32_t& percent,
              const std::string& help) {
  app->add_option(name, percent, help)
      ->check(CLI::Range(1U, 100U))
      ->capture_default_str()
      ->group(group);
}

}  // namespace

void add_overload_flags(CLI::App* app, serve_options& o) {
  add_bytes(app, "--memory-limit", o.memory_limit,
            "What this process may hold, with its replicas on this machine (default: the limit of "
            "its control group, or the machine's memory)")
      ->group(group);
  add_mark(app, "--overload-close-percent", o.overload.closing,
           "Of --memory-limit: above, every answer ends its connection");
  add_mark(app, "--overload-refuse-percent", o.overload.refusing,
           "Above, new work hears 503 and Retry-After; /health and /metrics answer");
  add_mark(app, "--overload-pause-percent", o.overload.pausing,
           "Above, connections wait: 8 at a time are accepted, for /health and /metrics");
}

outcome<memory_bounds> bound_memory(const planned_model& plan, const serve_options& options) {
  if (auto checked = check_marks(options.overload); !checked) return checked.error();
  auto here = read_machine();
  if (!here) return here.error();
  memory_bounds out{.limit_bytes = options.memory_limit.value_or(here->memory_bytes),
                    .marks = options.overload,
                    .planned = planned_here(plan, options),
                    .has_reserve = &renew_memory_reserve,
                    .is_plan_elsewhere = options.fleet.replicas.has_value()};
  auto percent = 100 * share_of_limit(out.planned, out.limit_bytes);
  auto numbers = "weights, activations and KV pages take " + mib(out.planned.known()) + ", " +
                 std::to_string(std::lround(percent)) + " % of --memory-limit (" +
                 mib(out.limit_bytes) + ")";
  if (percent >= options.overload.refusing)
    return failure{error_code::invalid_argument,
                   numbers + ", and new work is refused above " +
                       std::to_string(options.overload.refusing) +
                       " %; lower --gpu-memory-utilization or --kv-cache-memory-bytes, or raise "
                       "one of the two",
                   "--overload-refuse-percent"};
  if (percent >= options.overload.closing)
    spdlog::warn("{}: no connection will be kept after its answer", numbers);
  return out;
}

}  // namespace troupe
