// `troupe serve`: builds every part, connects them, waits for the signal.
#pragma once
#include "cli/serve_options.hpp"

namespace troupe {

// Answers the exit status: 0 after a drained shutdown, 1 if it could not start.
int run_serve(const serve_options& options);

}  // namespace troupe
