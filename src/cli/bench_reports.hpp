// `troupe bench report` and `troupe bench compare`: what the files of runs say.
#pragma once
#include <CLI/CLI.hpp>

namespace troupe {

// Below the subcommand `bench`. Exit status: 0, 1 for wrong options, files that cannot be read or
// written and runs that cannot be compared, 3 for a regression.
void add_bench_reports(CLI::App& bench, int& status);

}  // namespace troupe
