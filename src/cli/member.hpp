// `troupe serve --join`: a replica without a front, for the gateway of a fleet.
#pragma once
#include "cli/serve_options.hpp"
#include "engine/load_model.hpp"

namespace troupe {

// Answers the exit status: 0 when the fleet let it go or a signal came.
int run_member(const planned_model& plan, const serve_options& options, runner_factory runners);

}  // namespace troupe
