// The plan of this machine's CPU, from steps that were measured on it.
#pragma once
#include "plan/scenario.hpp"

namespace troupe::planning {

// Loads the weights (a published model has seeded ones), measures, then lets the load run under a
// simulated clock.
outcome<plan_report> plan_cpu(const plan_request& request);

}  // namespace troupe::planning
