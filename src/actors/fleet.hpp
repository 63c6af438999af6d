// The replicas of a gateway: starts their processes, lets in those that join, notices the lost
// ones, scales with the load. It tells the router who takes work; it touches no request itself.
#pragma once
#include "actors/fleet_member.hpp"
#include "actors/load_report.hpp"
#include "actors/replica_process.hpp"
#include "actors/router.hpp"
#include "core/restart_backoff.hpp"
#include "core/scaling_policy.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe {

struct join_fleet {
  std::string secret;
  std::string model;     // what it serves, exactly: equal texts answer equally
  std::int64_t pid = 0;  // of the process, where the fleet started it
  std::string host;
  std::uint32_t max_num_seqs = 0, max_num_batched_tokens = 0, num_pages = 0;
  request_queue door;
  fleet_member member;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, join_fleet& x) {
  return f(caf::meta::type_name("join_fleet"), x.secret, x.model, x.pid, x.host, x.max_num_seqs,
           x.max_num_batched_tokens, x.num_pages, x.door, x.member);
}
struct fleet_joined {
  replica_id replica;
  std::uint64_t prefix_secret = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, fleet_joined& x) {
  return f(caf::meta::type_name("fleet_joined"), x.replica, x.prefix_secret);
}
// Runs a replica in a seat: 0 .. max_replicas + num_standby, whose GPUs are its own.
using replica_launcher =
    std::function<outcome<std::unique_ptr<replica_process>>(std::uint32_t seat)>;
struct open_fleet {
  replica_launcher launch;
};
struct renew_replicas {};

using fleet = caf::typed_actor<
    // A process that has read its weights. Refused: another secret, another model.
    caf::replies_to<join_fleet>::with<fleet_joined>,
    // How a replica is. One that is silent for too long is lost.
    caf::reacts_to<load_report>,
    // From now on replicas are started.
    caf::reacts_to<open_fleet>,
    // A new process for each, one after the other; the old one finishes what it has.
    caf::reacts_to<renew_replicas>,
    // As a replica: ready while one of them takes work.
    caf::replies_to<ask_status>::with<replica_status>, caf::reacts_to<tick>>;

enum class note_level : std::uint8_t { info, warning, error };

struct fleet_options {
  scaling_options scaling;
  std::uint32_t num_standby = 0;  // started, and given nothing until another one is lost
  std::string secret;
  std::string model;
  std::uint64_t prefix_secret = 0;
  std::chrono::milliseconds silence{1'500};  // and a replica is lost
  std::chrono::milliseconds start_limit{300'000};
  std::chrono::milliseconds patience{30'000};  // without any replica, before all is refused
  // What served for a while before it died has no fault that the next one would have at once.
  restart_options restarts{.stable_after = std::chrono::milliseconds{2'000}};
  std::function<std::uint32_t()> minute_of_week;             // of the wall clock
  std::function<void(note_level, const std::string&)> tell;  // people; may be empty
};

fleet spawn_fleet(caf::actor_system& system, fleet_options options, router routes,
                  request_queue queue, meter observer);

}  // namespace troupe
