// The clients of a simulated load: sends requests to the queue and hears their answers.
#pragma once
#include <memory>

#include "actors/request_queue.hpp"
#include "plan/load.hpp"
#include "plan/measurement.hpp"

namespace troupe::planning {

using load_source = token_sink::extend<
    // From itself: the next arrival of an open load, or of a client that was answered or refused.
    caf::reacts_to<tick>>;

load_source spawn_load_source(caf::actor_system& system, const load_shape& load,
                              const load_case& row, const engine_limits& limits,
                              request_queue queue, std::shared_ptr<observer> eyes);

// Seconds of the system's clock.
double seconds_of(steady_time moment);

}  // namespace troupe::planning
