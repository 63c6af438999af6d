// A replica's voice in a fleet: plays the meter of its process, gathers what the parts observe and
// reports it, again and again, to the fleet that it joined. Its silence means that it is lost.
#pragma once
#include "actors/meter.hpp"
#include "actors/replica.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace troupe {

struct joined_fleet {  // house: what it shall report about, and to whom
  replica copy;
  caf::actor fleet;
  replica_id name;
};
struct retire {
  bool may_return = false;  // it was given up, and its replica with it; it may join again
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, retire& x) {
  return f(caf::meta::type_name("retire"), x.may_return);
}

using fleet_member = meter::extend<
    // From now on it reports.
    caf::reacts_to<joined_fleet>,
    // Nobody needs this replica any more: it has nothing left to do, or others do it.
    caf::reacts_to<retire>,
    // Reports.
    caf::reacts_to<tick>>;

struct member_options {
  std::chrono::milliseconds report_period{100};
  // Called once, on one of CAF's threads, when there is nothing more to do: the fleet is lost, gave
  // this member up, or let it go.
  std::function<void(std::string why, bool is_retired)> leave;
};

fleet_member spawn_fleet_member(caf::actor_system& system, member_options options);

}  // namespace troupe
