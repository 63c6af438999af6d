// The subcommand `bench`: its flags.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/bench.hpp"
#include "core/outcome.hpp"

namespace troupe {

void add_bench(CLI::App& app, int& status);

// What these flags mean, each with its value ("--rate=5"), without a run; nothing is said about
// whether they make a plan. A failure says what is wrong with the first that is.
outcome<bench_options> parse_bench_flags(const std::vector<std::string>& flags);
// The same for all flags of a run, which must make a plan.
outcome<bench_options> parse_bench(const std::vector<std::string>& flags);

}  // namespace troupe
