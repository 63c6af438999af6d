#include "cli/first_node.hpp"

#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include "actors/rank_group.hpp"
#include "cli/chance.hpp"
#include "cli/child_starter.hpp"
#include "cli/fleet_link.hpp"
#include "cli/model_mark.hpp"
#include "cli/node_flags.hpp"
#include "cli/node_link.hpp"
#include "engine/house.hpp"

namespace troupe {
namespace {

// The GPUs of a node that we start: those behind ours, of the ones that this process may use.
std::vector<std::string> gpus_of_node(const serve_options& options, std::uint32_t number) {
  if (options.device != device_kind::cuda) return {};
  std::vector<std::string> visible;
  if (const char* listed = std::getenv("CUDA_VISIBLE_DEVICES")) {
    std::istringstream names(listed);
    for (std::string name; std::getline(names, name, ',');) visible.push_back(name);
  }
  std::string list;
  const auto count = num_local_ranks(options);
  for (auto gpu = number * count; gpu < (number + 1) * count; ++gpu) {
    if (!list.empty()) list += ',';
    list += gpu < visible.size() ? visible[gpu] : std::to_string(gpu);
  }
  return {"CUDA_VISIBLE_DEVICES=" + list};
}

node_launcher make_launcher(std::shared_ptr<child_starter> starter, const planned_model& plan,
                            const serve_options& options, const std::string& secret,
                            std::uint16_t port) {
  std::vector<std::string> arguments{"--master-addr",
                                     "127.0.0.1",
                                     "--master-port",
                                     std::to_string(port),
                                     "--no-rejoin",
                                     "--threads",
                                     std::to_string(plan.runner.threads.num_threads)};
  // The first node has shared the machine's memory out; a GPU is its node's own.
  if (options.device != device_kind::cuda)
    arguments.insert(arguments.end(), {"--gpu-memory-utilization", "1"});
  else if (options.memory_utilization)
    arguments.insert(arguments.end(),
                     {"--gpu-memory-utilization", std::to_string(*options.memory_utilization)});
  return [starter = std::move(starter), arguments, options, secret](std::uint32_t number) {
    auto words = arguments;
    words.insert(words.end(), {"--node-rank", std::to_string(number)});
    auto variables = gpus_of_node(options, number);
    variables.push_back("TROUPE_FLEET_SECRET=" + secret);
    return starter->launch(std::move(words), std::move(variables));
  };
}

outcome<std::string> make_device_group() {
  auto made = make_gpu_group_id();
  if (!made) return made.error();
  return std::string(made->begin(), made->end());
}

group_options make_group_options(const planned_model& plan, const serve_options& options,
                                 group_terms terms, std::string secret, std::string place) {
  group_options out{.num_nodes = options.num_nodes,
                    .ranks_per_node = num_local_ranks(options),
                    .num_pages = plan.limits.num_pages,
                    .secret = std::move(secret),
                    .terms = std::move(terms),
                    .place = std::move(place),
                    .silence = options.nodes.silence,
                    .draw_token = [] { return draw_bytes(meeting_token_bytes); },
                    .tell =
                        [](bool is_bad, const std::string& text) {
                          is_bad ? spdlog::warn("{}", text) : spdlog::info("{}", text);
                        }};
  if (options.device == device_kind::cuda) out.make_device_group = &make_device_group;
  return out;
}

}  // namespace

int run_first_node(const planned_model& plan, const serve_options& options, front_settings settings,
                   const std::string& node_config, phase_times& phases) {
  auto terms = make_group_terms(plan, options);
  if (!terms) return refuse(terms.error());
  auto starter = child_starter::make(node_config);
  if (!starter) return refuse(starter.error());
  auto door = open_rank_door(options);
  if (!door) return refuse(door.error());
  auto ranks = read_rank_weights(plan, options, *door);
  if (!ranks) return refuse(ranks.error());
  phases.end("weights", phase_times::clock::now());
  signals stop;
  auto config = make_system_config();
  configure_link(config, options.fleet);
  caf::actor_system system{config};
  const auto secret = options.fleet.secret.empty() ? draw_secret() : options.fleet.secret;
  auto first = spawn_rank_node(system, {});
  caf::anon_send(first, ranks_loaded{*std::move(ranks), nullptr});
  auto group = spawn_rank_group(
      system, make_group_options(plan, options, *std::move(terms), secret, (*door)->place()),
      first);
  auto end = [group, first] {
    caf::anon_send_exit(group, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(first, caf::exit_reason::user_shutdown);
  };
  auto port = publish_group(system, group, options);
  if (!port) {
    end();
    wait_for_actors(system);
    return refuse(port.error());
  }
  if (starts_nodes(options))
    caf::anon_send(group, open_group{make_launcher(*starter, plan, options, secret, *port)});
  auto actors = open_house(system, plan, options, group);
  return serve_house(system, actors, plan, options, std::move(settings), phases, stop, end);
}

}  // namespace troupe
