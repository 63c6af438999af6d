// The way between a gateway and its replicas: CAF's own, on the loopback interface in the clear,
// and between machines over TLS with a certificate on both sides.
#pragma once
#include <caf/all.hpp>

#include <cstdint>

#include "actors/fleet.hpp"
#include "cli/serve_options.hpp"

namespace troupe {

// To be called before the actor system is made.
void configure_link(caf::actor_system_config& config, const fleet_settings& options);

// Where our own replicas join: a port of the loopback interface. Opens --fleet-listen, too.
outcome<std::uint16_t> publish_fleet(caf::actor_system& system, const fleet& replicas,
                                     const fleet_settings& options);

// The fleet at --join.
outcome<fleet> find_fleet(caf::actor_system& system, const fleet_settings& options);

}  // namespace troupe
