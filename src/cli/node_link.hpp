// The ways between the nodes of a replica: CAF's for messages (cli/fleet_link.hpp), and the doors
// at which ranks meet. In the clear on the loopback interface, over TLS between machines.
#pragma once
#include <caf/all.hpp>

#include <cstdint>
#include <memory>

#include "actors/rank_group.hpp"
#include "cli/serve_options.hpp"
#include "engine/load_model.hpp"
#include "link/rank_door.hpp"

namespace troupe {

// Where the other nodes join: --master-addr, or a port of the loopback interface.
outcome<std::uint16_t> publish_group(caf::actor_system& system, const rank_group& group,
                                     const serve_options& options);
// The group at --master-addr.
outcome<rank_group> find_group(caf::actor_system& system, const serve_options& options);

// Where the ranks of this process are met.
outcome<std::shared_ptr<rank_door>> open_rank_door(const serve_options& options);
// The weights of this node's ranks, which will meet others there.
outcome<rank_factory> read_rank_weights(const planned_model& plan, const serve_options& options,
                                        const std::shared_ptr<rank_door>& door);

}  // namespace troupe
