// `troupe serve --replicas`: the front in this process, the model in processes of its own.
#pragma once
#include <string>

#include "cli/phase_times.hpp"
#include "cli/serve_options.hpp"
#include "cli/serving.hpp"
#include "engine/load_model.hpp"

namespace troupe {

// The share of the machine that each replica gets: what one process would have, divided among as
// many as there may be. GPUs are not shared.
serve_options share_machine(const serve_options& options);

// Answers the exit status. `replica_config` is what the replicas are started with.
int run_gateway(const planned_model& plan, const serve_options& options, front_settings settings,
                const std::string& replica_config, phase_times& phases);

}  // namespace troupe
