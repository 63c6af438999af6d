// The subcommand `chat`: its flags.
#pragma once
#include <CLI/CLI.hpp>

namespace troupe {

void add_chat(CLI::App& app, int& status);

}  // namespace troupe
