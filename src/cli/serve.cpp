#include "cli/serve.hpp"

#include <caf/all.hpp>
#include <spdlog/spdlog.h>
#include <malloc.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "cli/first_node.hpp"
#include "cli/gate_setup.hpp"
#include "cli/gateway.hpp"
#include "cli/load_log.hpp"
#include "cli/loading_guard.hpp"
#include "cli/member.hpp"
#include "cli/memory_reserve.hpp"
#include "cli/node.hpp"
#include "cli/node_flags.hpp"
#include "cli/overload_flags.hpp"
#include "cli/phase_times.hpp"
#include "cli/protocol.hpp"
#include "cli/serving.hpp"
#include "engine/cuda_device.hpp"
#include "engine/house.hpp"
#include "engine/load_model.hpp"
#include "net/line_sink.hpp"

namespace troupe {
namespace {

int serve_model(const planned_model& plan, const serve_options& options, front_settings settings,
                runner_factory runners, phase_times& phases) {
  signals stop;
  auto config = make_system_config();
  caf::actor_system system{config};
  auto actors = open_house(system, plan, options, std::move(runners));
  return serve_house(system, actors, plan, options, std::move(settings), phases, stop);
}

// What a large body took goes back to the system at once: left alone, the allocator keeps buffers
// of up to 32 MiB in every arena once one of them was freed.
void return_large_buffers() { mallopt(M_MMAP_THRESHOLD, 1 << 20); }

// What is in memory is what people asked; the limit holds for replicas that are started, too.
void forbid_core_dumps() {
  rlimit limit{};
  if (getrlimit(RLIMIT_CORE, &limit) != 0) return;
  limit.rlim_cur = 0;
  setrlimit(RLIMIT_CORE, &limit);
}

outcome<runner_factory> read_weights(const planned_model& plan, const serve_options& options) {
  loading_guard guard(options.model_dir);
  return load_runners(plan, options, make_progress_log(),
                      [](const std::string& what) { spdlog::warn("{}", what); });
}

}  // namespace

int run_serve(const serve_options& wanted, const std::string& child_config) {
  // Lines for people go to stdout; the log goes to stderr. Whoever reads either may leave, and a
  // file may be as large as it may get: writing fails, and that is all.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  keep_memory_reserve();
  auto lost = std::make_shared<std::atomic<std::uint64_t>>(0);
  auto sink = *line_sink::open("-", lost);
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("troupe", std::move(sink)));
  if (wanted.only_protocol) {
    print_protocol(std::cout);
    return 0;
  }
  if (!wanted.gate.core_dumps) forbid_core_dumps();
  return_large_buffers();
  phase_times phases(phase_times::clock::now());
  auto gate = set_up_gate(wanted.gate);
  if (!gate) return refuse(gate.error());
  if (auto checked = check_nodes(wanted); !checked) return refuse(checked.error());
  auto settled = settle_device(wanted);
  if (!settled) return refuse(settled.error());
  serve_options options = wanted;
  options.device = settled->kind;
  if (options.fleet.replicas) options = share_machine(options);
  if (starts_nodes(options)) options = share_machine_among_nodes(options);
  if (!settled->note.empty()) spdlog::info("--device auto: the CPU computes: {}", settled->note);
  auto plan = plan_model(options);
  if (!plan) return refuse(plan.error());
  if (options.only_plan) {
    std::cout << to_text(plan->memory);
    return 0;
  }
  if (options.node_rank > 0) return run_node(options);
  if (options.device == device_kind::null || options.device == device_kind::sim)
    spdlog::warn("no model computes here, answers are drawn tokens: {}", plan->device);
  log_lines(to_text(plan->memory));
  if (plan->limits.max_num_seqs < options.max_num_seqs)
    spdlog::info("--max-num-seqs is {}: every sequence needs a row of --max-num-batched-tokens",
                 plan->limits.max_num_seqs);
  phases.end("plan and tokenizer", phase_times::clock::now());
  front_settings front{.gate = *std::move(gate), .memory = {}, .lost_log_lines = lost};
  const bool is_member = !options.fleet.join.empty();
  if (!is_member) {
    auto memory = bound_memory(*plan, options);
    if (!memory) return refuse(memory.error());
    front.memory = *memory;
  }
  if (options.fleet.replicas)
    return run_gateway(*plan, options, std::move(front), child_config, phases);
  if (has_nodes(options))
    return run_first_node(*plan, options, std::move(front), child_config, phases);
  auto runners = read_weights(*plan, options);
  if (!runners) return refuse(runners.error());
  phases.end("weights", phase_times::clock::now());
  if (is_member) return run_member(*plan, options, *std::move(runners));
  return serve_model(*plan, options, std::move(front), *std::move(runners), phases);
}

}  // namespace troupe
