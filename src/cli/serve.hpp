// `troupe serve`: builds every part, connects them, waits for the signal.
#pragma once
#include <string>

#include "cli/serve_options.hpp"

namespace troupe {

// Answers the exit status: 0 after a drained shutdown, 1 if it could not start. `child_config` is
// the configuration of the replicas or nodes that this process starts, as a file for --config.
int run_serve(const serve_options& options, const std::string& child_config);

}  // namespace troupe
