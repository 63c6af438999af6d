// The house itself under a simulated clock: its queue, batchers, page managers and, with several
// replicas, its router, on CAF's deterministic scheduler. Only the executors are stand-ins, which
// answer a step when the clock says that its time has passed. Minutes take seconds, and the same
// load takes the same course every time.
#pragma once
#include <cstdint>
#include <functional>

#include "core/config.hpp"
#include "core/outcome.hpp"
#include "plan/load.hpp"
#include "plan/measurement.hpp"

namespace troupe::planning {

struct deployment {
  engine_limits limits;  // of each replica; no speculation: answers are drawn
  std::uint32_t vocab_size = 0;
  std::uint32_t num_replicas = 1;
  std::uint32_t num_devices = 1;                          // of all replicas
  std::function<double(const step_batch&)> step_seconds;  // of one replica
};

// What the parts of the house told, all replicas together.
struct house_course {
  measurement load;
  double kv_share = 0;                // most pages held at once, of the fullest replica
  std::uint32_t most_running = 0;     // in one replica
  std::uint64_t num_preemptions = 0;  // whenever they were
  std::uint64_t num_steps = 0;
  double busy_share = 0;  // of the replicas' time, in which steps ran
  double seconds = 0;     // simulated, warm-up included
};

// Fails if the house stops although requests wait: a mistake of ours.
outcome<house_course> run_load(const deployment& what, const load_shape& load,
                               const load_case& row);

}  // namespace troupe::planning
