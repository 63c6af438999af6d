// `troupe serve --node-rank 1` and later: ranks without a front, for the replica of node 0.
#pragma once
#include "cli/serve_options.hpp"

namespace troupe {

// Answers the exit status: 0 when a signal came, 1 when it was refused or may not come back.
int run_node(const serve_options& options);

}  // namespace troupe
