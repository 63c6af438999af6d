#include "cli/gateway.hpp"

#include <spdlog/spdlog.h>

#include <caf/io/all.hpp>
#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "actors/fleet.hpp"
#include "cli/chance.hpp"
#include "cli/child_starter.hpp"
#include "cli/fleet_flags.hpp"
#include "cli/fleet_link.hpp"
#include "cli/model_mark.hpp"
#include "cli/serving.hpp"
#include "engine/house.hpp"
#include "engine/machine.hpp"

namespace troupe {
namespace {

std::uint32_t minute_of_week() {
  auto now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  auto day = (local.tm_wday + 6) % 7;  // Monday first
  return static_cast<std::uint32_t>((day * 24 + local.tm_hour) * 60 + local.tm_min);
}

void log_note(note_level level, const std::string& text) {
  switch (level) {
    case note_level::info: spdlog::info("{}", text); break;
    case note_level::warning: spdlog::warn("{}", text); break;
    case note_level::error: spdlog::error("{}", text); break;
  }
}

std::vector<std::string> gpus_of_seat(const serve_options& options, std::uint32_t seat) {
  if (options.device != device_kind::cuda) return {};
  std::string list;
  auto first = seat * options.tensor_parallel_size;
  for (auto gpu = first; gpu < first + options.tensor_parallel_size; ++gpu) {
    if (!list.empty()) list += ',';
    list += std::to_string(gpu);
  }
  return {"CUDA_VISIBLE_DEVICES=" + list};
}

replica_launcher make_launcher(std::shared_ptr<child_starter> starter, const planned_model& plan,
                               const serve_options& options, const std::string& secret,
                               std::uint16_t port) {
  std::vector<std::string> arguments{"--join",
                                     "127.0.0.1:" + std::to_string(port),
                                     "--no-rejoin",
                                     "--num-gpu-blocks-override",
                                     std::to_string(plan.memory.num_pages),
                                     "--threads",
                                     std::to_string(plan.runner.threads.num_threads)};
  // The gateway has shared the machine's memory out; a GPU is the replica's own.
  if (options.device != device_kind::cuda)
    arguments.insert(arguments.end(), {"--gpu-memory-utilization", "1"});
  else if (options.memory_utilization)
    arguments.insert(arguments.end(),
                     {"--gpu-memory-utilization", std::to_string(*options.memory_utilization)});
  return [starter = std::move(starter), arguments, options, secret](std::uint32_t seat) {
    auto variables = gpus_of_seat(options, seat);
    variables.push_back("TROUPE_FLEET_SECRET=" + secret);
    return starter->launch(arguments, std::move(variables));
  };
}

outcome<scaling_options> make_scaling(const fleet_settings& o) {
  scaling_options out{.min_replicas = o.replicas->min,
                      .max_replicas = o.replicas->max,
                      .out_after = o.scale_out_after,
                      .in_after = o.scale_in_after};
  for (auto& text : o.schedule) {
    auto window = parse_scaling_window(text);
    if (!window) return window.error();
    if (window->bounds.max_replicas > o.replicas->max)
      return failure{error_code::invalid_argument,
                     "asks for more than the " + std::to_string(o.replicas->max) +
                         " replicas that the machine is shared among: " + text,
                     "--replica-schedule"};
    out.schedule.push_back(*window);
  }
  return out;
}

struct gateway_parts {
  fleet replicas;
  router routes;
  request_queue queue;
  meter observer;
  grammar_store store;
  gatekeeper keeper;  // null where no limit needs one
  std::string secret;
};

gateway_parts spawn_parts(caf::actor_system& system, const planned_model& plan,
                          const serve_options& options, scaling_options scaling, std::string mark) {
  auto& o = options.fleet;
  gateway_parts p{.secret = o.secret.empty() ? draw_secret() : o.secret};
  p.observer = spawn_meter(system, plan.name, plan.limits, plan.memory, plan.device);
  p.queue = spawn_request_queue(system, plan.limits, p.observer);
  auto prefix_secret = draw_number();
  p.routes = spawn_router(
      system, {.limits = plan.limits, .prefix_secret = prefix_secret, .seed = draw_number() >> 1U},
      p.queue, p.observer);
  p.replicas = spawn_fleet(system,
                           {.scaling = std::move(scaling),
                            .num_standby = o.num_standby,
                            .secret = p.secret,
                            .model = std::move(mark),
                            .prefix_secret = prefix_secret,
                            .silence = o.silence,
                            .start_limit = o.start_timeout,
                            .minute_of_week = &minute_of_week,
                            .tell = &log_note},
                           p.routes, p.queue, p.observer);
  p.store =
      spawn_grammar_store(system, {.max_cache_bytes = options.grammar_cache_bytes}, p.observer);
  return p;
}

}  // namespace

serve_options share_machine(const serve_options& options) {
  auto out = options;
  auto num_shares = options.fleet.replicas->max + options.fleet.num_standby;
  if (options.device != device_kind::cpu || num_shares == 0) return out;
  out.memory_utilization = options.memory_utilization.value_or(0.5) / num_shares;
  if (options.threads == 0)
    out.threads = std::max(1U, count_cores() / (num_shares * options.tensor_parallel_size));
  return out;
}

int run_gateway(const planned_model& plan, const serve_options& options, front_settings settings,
                const std::string& replica_config, phase_times& phases) {
  auto scaling = make_scaling(options.fleet);
  if (!scaling) return refuse(scaling.error());
  auto mark = make_model_mark(plan, options);
  if (!mark) return refuse(mark.error());
  auto starter = child_starter::make(replica_config);
  if (!starter) return refuse(starter.error());
  signals stop(true);
  auto config = make_system_config();
  configure_link(config, options.fleet);
  caf::actor_system system{config};
  auto parts = spawn_parts(system, plan, options, *std::move(scaling), *std::move(mark));
  auto end = [&parts] {
    auto tell = [](const auto& actor) {
      if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    };
    tell(parts.replicas);
    tell(parts.routes);
    tell(parts.queue);
    tell(parts.observer);
    tell(parts.store);
    tell(parts.keeper);
  };
  auto port = publish_fleet(system, parts.replicas, options.fleet);
  if (!port) {
    end();
    wait_for_actors(system);
    return refuse(port.error());
  }
  if (options.fleet.replicas->max > 0)
    caf::anon_send(parts.replicas,
                   open_fleet{make_launcher(*starter, plan, options, parts.secret, *port)});
  auto facts = make_service(plan, options);
  facts.queue = parts.queue;
  facts.observer = parts.observer;
  facts.copy = parts.replicas;
  facts.store = parts.store;
  if (has_limits(settings.gate)) facts.keeper = parts.keeper = spawn_gatekeeper(system);
  return run_front(system, std::move(facts), options, std::move(settings), phases, stop, end,
                   [&] { caf::anon_send(parts.replicas, renew_replicas{}); });
}

}  // namespace troupe
