// Which replicas are started, given work, or let go, so that those that are there become those that
// are wanted.
#pragma once
#include "core/id.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

// standby: could serve, and is given nothing. draining: finishes what it has.
enum class replica_state : std::uint8_t { starting, ready, standby, draining, failed };
inline constexpr std::size_t num_replica_states = 5;

struct fleet_view {
  struct one {
    replica_id name;
    replica_state state = replica_state::starting;
    bool is_own = true;        // started here; those that came by themselves always serve
    bool is_to_renew = false;  // another process shall take its place
    std::uint32_t num_requests = 0;
  };
  std::vector<one> replicas;      // oldest first
  std::uint32_t num_wanted = 1;   // of our own, serving
  std::uint32_t num_standby = 0;  // beyond those
};

struct fleet_plan {
  std::vector<replica_id> open;
  // No more work for these: they serve, or stand by, beyond what is wanted.
  std::vector<replica_id> close;
  std::uint32_t num_to_start = 0;
};

// One that is renewed keeps its work until a new one has taken its place; one at a time.
fleet_plan plan_fleet(const fleet_view& now);

}  // namespace troupe
