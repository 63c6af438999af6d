// The flags of the gate: who may come in, how often, from where.
#pragma once
#include "cli/serve_options.hpp"

namespace CLI {
class App;
}

namespace troupe {

void add_gate_flags(CLI::App* app, gate_settings& gate);

}  // namespace troupe
