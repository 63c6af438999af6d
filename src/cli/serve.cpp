#include "cli/serve.hpp"

#include <caf/all.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include "actors/replica.hpp"
#include "cli/cuda_device.hpp"
#include "cli/gate_setup.hpp"
#include "cli/gateway.hpp"
#include "cli/house.hpp"
#include "cli/load_model.hpp"
#include "cli/member.hpp"
#include "cli/phase_times.hpp"
#include "cli/protocol.hpp"

namespace troupe {
namespace {

void log_lines(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) spdlog::info("{}", line);
}

int serve_model(const planned_model& plan, const serve_options& options, gate_options gate,
                runner_factory runners, phase_times& phases) {
  signals stop;
  caf::actor_system_config config;
  configure_system(config);
  caf::actor_system system{config};
  auto observer = spawn_meter(system, plan.name, plan.limits, plan.memory, plan.device);
  auto queue = spawn_request_queue(system, plan.limits, observer);
  auto copy = spawn_replica(system,
                            {.limits = plan.limits,
                             .executor_timeout = options.executor_timeout,
                             .stall_timeout = options.stall_timeout},
                            queue, observer, std::move(runners));
  auto store =
      spawn_grammar_store(system, {.max_cache_bytes = options.grammar_cache_bytes}, observer);
  auto facts = make_service(plan, options);
  facts.queue = queue;
  facts.observer = observer;
  facts.copy = copy;
  facts.store = store;
  if (has_limits(gate)) facts.keeper = spawn_gatekeeper(system);
  std::vector<caf::actor> actors{
      caf::actor_cast<caf::actor>(copy), caf::actor_cast<caf::actor>(queue),
      caf::actor_cast<caf::actor>(observer), caf::actor_cast<caf::actor>(facts.keeper),
      caf::actor_cast<caf::actor>(store)};
  return run_front(system, std::move(facts), options, std::move(gate), phases, stop, actors);
}

}  // namespace

int run_serve(const serve_options& wanted, const std::string& replica_config) {
  // Lines for people go to stdout; the log goes to stderr.
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("troupe", std::move(sink)));
  if (wanted.only_protocol) {
    print_protocol(std::cout);
    return 0;
  }
  phase_times phases(phase_times::clock::now());
  auto gate = set_up_gate(wanted.gate);
  if (!gate) return refuse(gate.error());
  auto settled = settle_device(wanted);
  if (!settled) return refuse(settled.error());
  const auto options =
      settled->options.fleet.replicas ? share_machine(settled->options) : settled->options;
  if (!settled->note.empty()) spdlog::info("--device auto: the CPU computes: {}", settled->note);
  auto plan = plan_model(options);
  if (!plan) return refuse(plan.error());
  if (options.only_plan) {
    std::cout << to_text(plan->memory);
    return 0;
  }
  if (options.device == device_kind::null || options.device == device_kind::sim)
    spdlog::warn("no model computes here, answers are drawn tokens: {}", plan->device);
  log_lines(to_text(plan->memory));
  if (plan->limits.max_num_seqs < options.max_num_seqs)
    spdlog::info("--max-num-seqs is {}: every sequence needs a row of --max-num-batched-tokens",
                 plan->limits.max_num_seqs);
  phases.end("plan and tokenizer", phase_times::clock::now());
  if (options.fleet.replicas)
    return run_gateway(*plan, options, *std::move(gate), replica_config, phases);
  auto runners = load_runners(*plan, options);
  if (!runners) return refuse(runners.error());
  phases.end("weights", phase_times::clock::now());
  if (!options.fleet.join.empty()) return run_member(*plan, options, *std::move(runners));
  return serve_model(*plan, options, *std::move(gate), *std::move(runners), phases);
}

}  // namespace troupe
