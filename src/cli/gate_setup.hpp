// From the gate's flags to what the server needs: reads the file of keys, opens the access log.
#pragma once
#include "cli/serve_options.hpp"
#include "core/outcome.hpp"
#include "net/gate_options.hpp"

namespace troupe {

outcome<gate_options> set_up_gate(const gate_settings& settings);

}  // namespace troupe
