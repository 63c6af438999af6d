// An executor whose steps take simulated time: one after the other, each for as long as it is told.
#pragma once
#include <functional>

#include "actors/executor.hpp"
#include "sim/sim_runner.hpp"

namespace troupe::planning {

executor spawn_virtual_executor(caf::actor_system& system, const sim_runner_options& device,
                                std::function<double(const step_batch&)> step_seconds);

}  // namespace troupe::planning
