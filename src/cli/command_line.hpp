// The command line: subcommands, flags, limits, help. Knows what is asked for, not how it is done.
#pragma once

namespace troupe {

// Parses and runs; answers the exit status. 0: done, 1: could not be done, 2: the command is wrong;
// `bench` has its own (docs/bench.md).
int run_command_line(int argc, char** argv);

}  // namespace troupe
