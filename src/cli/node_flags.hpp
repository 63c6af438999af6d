// The flags of `troupe serve` for processes that share the ranks of one replica.
#pragma once
#include "core/outcome.hpp"

namespace CLI {
class App;
}

namespace troupe {

struct serve_options;

inline constexpr const char* node_group = "Nodes";

void add_node_flags(CLI::App* app, serve_options& o);

// Whether the ranks are in several processes, and this one starts the others.
bool has_nodes(const serve_options& o);
bool starts_nodes(const serve_options& o);

// Refuses numbers that do not fit together, a way to other machines in the clear, and nodes within
// a fleet.
refusal check_nodes(const serve_options& o);

// What this process of several takes of the machine, where all are on it. GPUs are not shared.
serve_options share_machine_among_nodes(const serve_options& o);

}  // namespace troupe
