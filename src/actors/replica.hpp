// One full copy of the model: a batcher, a page_manager and tp_size executors. Restarts them
// together when one fails.
#pragma once
#include <caf/all.hpp>
#include <cstdint>
#include <string>

#include "actors/cast.hpp"

namespace troupe {

struct ask_status {};
struct replica_status {
  bool ready = false;
  std::string reason;  // why it is not ready
  std::uint32_t num_restarts = 0;
};

using replica = caf::typed_actor<
    // Ready only while every executor answers its heartbeat.
    caf::replies_to<ask_status>::with<replica_status>,
    // Looks at the heartbeats.
    caf::reacts_to<tick>>;

}  // namespace troupe
