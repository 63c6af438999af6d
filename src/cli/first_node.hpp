// `troupe serve --nnodes`: the node that has the front and the first ranks.
#pragma once
#include <string>

#include "cli/phase_times.hpp"
#include "cli/serve_options.hpp"
#include "cli/serving.hpp"
#include "engine/load_model.hpp"

namespace troupe {

// Answers the exit status. `node_config` is what the nodes of this machine are started with.
int run_first_node(const planned_model& plan, const serve_options& options, front_settings settings,
                   const std::string& node_config, phase_times& phases);

}  // namespace troupe
