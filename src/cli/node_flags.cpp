#include "cli/node_flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>

#include "cli/flags.hpp"
#include "cli/serve_options.hpp"
#include "engine/machine.hpp"
#include "link/socket.hpp"

namespace troupe {
namespace {

failure refuse_flag(const char* flag, std::string why) {
  return {error_code::invalid_argument, std::move(why), flag};
}

refusal check_numbers(const serve_options& o) {
  const auto nodes = std::to_string(o.num_nodes);
  if (o.tensor_parallel_size % o.num_nodes != 0)
    return refuse_flag("--nnodes", "asks for " + nodes + " processes, which cannot share " +
                                       std::to_string(o.tensor_parallel_size) +
                                       " ranks evenly (--tensor-parallel-size)");
  if (o.node_rank >= o.num_nodes)
    return refuse_flag("--node-rank", "is " + std::to_string(o.node_rank) + ", and --nnodes " +
                                          nodes + " has 0 to " + std::to_string(o.num_nodes - 1));
  if (o.num_nodes == 1 && !o.nodes.master_addr.empty())
    return refuse_flag("--master-addr", "is where several nodes meet, and --nnodes is 1");
  if (o.node_rank > 0 && o.nodes.master_addr.empty())
    return refuse_flag("--node-rank",
                       "asks for a node that is not the first: --master-addr says "
                       "where that one is");
  return nothing{};
}

refusal check_link(const serve_options& o) {
  auto address = find_own_address(o.nodes.master_addr);
  if (!address) return refuse_flag("--master-addr", address.error().message);
  if (o.fleet.cert.empty() && !is_loopback(*address))
    return refuse_flag(
        "--master-addr",
        "is on a network and needs --fleet-cert, --fleet-key and --fleet-ca: whoever "
        "reaches that port could read and answer requests");
  if (o.fleet.secret.empty())
    return refuse_flag("--master-addr",
                       "needs a secret that all nodes know: TROUPE_FLEET_SECRET or --fleet-secret");
  return nothing{};
}

}  // namespace

void add_node_flags(CLI::App* app, serve_options& o) {
  app->add_option("--nnodes", o.num_nodes,
                  "Processes that share the ranks of --tensor-parallel-size, each as many; without "
                  "--master-addr this one starts the others")
      ->check(CLI::Range(1U, 8U))
      ->capture_default_str()
      ->group(node_group);
  app->add_option("--node-rank", o.node_rank,
                  "Which of them this is: 0 answers HTTP, the others compute for it")
      ->check(CLI::Range(0U, 7U))
      ->capture_default_str()
      ->group(node_group);
  app->add_option("--master-addr", o.nodes.master_addr,
                  "Where node 0 is, the same on every node; each is started by hand then. TLS with "
                  "the certificates of the fleet, but on the loopback interface")
      ->type_name("HOST")
      ->group(node_group);
  app->add_option("--master-port", o.nodes.master_port, "Its port for the other nodes")
      ->check(CLI::Range(1U, 65535U))
      ->capture_default_str()
      ->group(node_group);
  add_time(app, "--node-timeout", o.nodes.silence, "A node that is silent for so long is lost")
      ->group(node_group);
}

bool has_nodes(const serve_options& o) { return o.num_nodes > 1 || o.node_rank > 0; }

bool starts_nodes(const serve_options& o) { return o.num_nodes > 1 && o.nodes.master_addr.empty(); }

refusal check_nodes(const serve_options& o) {
  if (auto checked = check_numbers(o); !checked) return checked;
  if (o.num_nodes == 1) return nothing{};
  if (o.fleet.replicas || !o.fleet.join.empty())
    return refuse_flag("--nnodes",
                       "asks for several processes, and a replica of a fleet has its "
                       "ranks in one");
  return o.nodes.master_addr.empty() ? refusal(nothing{}) : check_link(o);
}

serve_options share_machine_among_nodes(const serve_options& o) {
  auto out = o;
  if (o.device != device_kind::cpu) return out;
  out.memory_utilization = o.memory_utilization.value_or(0.5) / o.num_nodes;
  if (o.threads == 0) out.threads = std::max(1U, count_cores() / o.tensor_parallel_size);
  return out;
}

}  // namespace troupe
