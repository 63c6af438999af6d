// The flags of the overload levels, and what the server is told of them.
#pragma once
#include <CLI/CLI.hpp>

#include "cli/serve_options.hpp"
#include "core/outcome.hpp"
#include "engine/load_model.hpp"
#include "net/server.hpp"

namespace troupe {

void add_overload_flags(CLI::App* app, serve_options& options);

// The limit, and what of the plan counts against it. Refuses marks out of order, and a plan that
// leaves requests no room below the mark at which they are refused.
outcome<memory_bounds> bound_memory(const planned_model& plan, const serve_options& options);

}  // namespace troupe
