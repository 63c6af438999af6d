#include "cli/node_link.hpp"

#include <spdlog/spdlog.h>

#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>
#include <string>

#include "cli/load_log.hpp"
#include "cli/loading_guard.hpp"

namespace troupe {
namespace {

// As long as GPUs have for the same.
constexpr std::chrono::seconds meeting_patience{120};

std::string place_of(const serve_options& options) {
  return to_text(socket_place{options.nodes.master_addr, options.nodes.master_port});
}

failure link_failure(const std::string& what, const caf::error& why) {
  return {error_code::io_error, what + " (" + caf::to_string(why) + ")", "--master-addr"};
}

outcome<std::shared_ptr<const tls_identity>> load_identity(const fleet_settings& o) {
  if (o.cert.empty()) return std::shared_ptr<const tls_identity>();
  return tls_identity::load({o.cert, o.key, o.ca});
}

}  // namespace

outcome<std::uint16_t> publish_group(caf::actor_system& system, const rank_group& group,
                                     const serve_options& options) {
  if (options.nodes.master_addr.empty()) {
    auto port = system.middleman().publish(group, 0, "127.0.0.1");
    if (!port) return link_failure("no port for other nodes", port.error());
    return *port;
  }
  auto address = find_own_address(options.nodes.master_addr);
  if (!address) return address.error();
  const auto port = options.nodes.master_port;
  auto open = options.fleet.cert.empty()
                  ? system.middleman().publish(group, port, address->c_str(), true)
                  : caf::openssl::publish(group, port, address->c_str(), true);
  if (!open) return link_failure("cannot listen on " + place_of(options), open.error());
  return *open;
}

outcome<rank_group> find_group(caf::actor_system& system, const serve_options& options) {
  auto& host = options.nodes.master_addr;
  const auto port = options.nodes.master_port;
  auto found = options.fleet.cert.empty()
                   ? system.middleman().remote_actor<rank_group>(host, port)
                   : caf::openssl::remote_actor<rank_group>(system, host, port);
  if (!found) return link_failure("no node 0 at " + place_of(options), found.error());
  return *found;
}

outcome<std::shared_ptr<rank_door>> open_rank_door(const serve_options& options) {
  auto identity = load_identity(options.fleet);
  if (!identity) return identity.error();
  auto& host = options.nodes.master_addr;
  auto door = rank_door::open(host.empty() ? "127.0.0.1" : host, *identity);
  if (!door) return failure{door.error().code, door.error().message, "--master-addr"};
  return door;
}

outcome<rank_factory> read_rank_weights(const planned_model& plan, const serve_options& options,
                                        const std::shared_ptr<rank_door>& door) {
  loading_guard guard(options.model_dir);
  const local_ranks here{.first = plan.runner.first_rank,
                         .count = plan.runner.num_local_ranks,
                         .size = plan.runner.tp_size};
  auto meet = [door, here](const rank_meeting& meeting) {
    return door->meet(meeting, here, meeting_patience);
  };
  auto ranks = load_ranks(plan, options, std::move(meet), make_progress_log(),
                          [](const std::string& what) { spdlog::warn("{}", what); });
  if (ranks)
    spdlog::info("node {} has {} of {} ranks, from rank {} on", options.node_rank, here.count,
                 here.size, here.first);
  return ranks;
}

}  // namespace troupe
