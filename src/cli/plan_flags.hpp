// The subcommand `plan`: its flags.
#pragma once
#include <CLI/CLI.hpp>

namespace troupe {

void add_plan(CLI::App& app, int& status);

}  // namespace troupe
