// One full copy of the model: a batcher, a page_manager, a grammarian and tp_size executors, of
// this process or of several. Restarts them together when one fails, and says so.
#pragma once
#include "actors/rank_group.hpp"
#include "actors/request_queue.hpp"
#include "model/runner.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct ask_status {};
struct replica_status {
  bool ready = false;
  std::string reason;  // why it is not ready
  std::uint32_t num_restarts = 0;
  bool has_given_up = false;  // only another process can help
  std::uint32_t num_ranks = 0, num_ranks_present = 0;
  std::vector<part_report> parts;  // the queue, then its own
};

using replica = caf::typed_actor<
    // Ready only while every part answers its heartbeat and no request waits in vain.
    caf::replies_to<ask_status>::with<replica_status>,
    // Looks at the heartbeats.
    caf::reacts_to<tick>>;

struct replica_options {
  engine_limits limits;
  // A step that takes longer counts as a dead device.
  std::chrono::milliseconds executor_timeout{30'000};
  // An executor that is silent for longer, or requests that wait for longer while no step ends,
  // and the replica is not ready. Without all ranks for longer, and requests are refused.
  std::chrono::milliseconds stall_timeout{10'000};
  // More failures than this within `restart_window` and the replica gives up.
  std::uint32_t max_restarts = 3;
  std::chrono::milliseconds restart_window{10'000};
  // Held by every part until it has ended; may be null.
  std::shared_ptr<void> presence;
};

// Serves `queue` with runners from `make_runners`. Giving up closes the queue.
replica spawn_replica(caf::actor_system& system, replica_options options, request_queue queue,
                      meter observer, runner_factory make_runners);
// The same with the ranks of a group. While these are not all there requests wait, after
// `stall_timeout` they are refused; no absence is long enough to give up.
replica spawn_replica(caf::actor_system& system, replica_options options, request_queue queue,
                      meter observer, rank_group group);

}  // namespace troupe
