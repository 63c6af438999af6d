// The subcommand `bench`: its flags.
#pragma once
#include <CLI/CLI.hpp>

namespace troupe {

void add_bench(CLI::App& app, int& status);

}  // namespace troupe
