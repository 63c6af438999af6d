// What a process serves, as one line: replicas with equal marks give equal answers.
#pragma once
#include <string>

#include "cli/serve_options.hpp"
#include "core/node_roster.hpp"
#include "core/outcome.hpp"
#include "engine/load_model.hpp"

namespace troupe {

// The arithmetic in words and a hash of the model's files: of small ones all bytes, of large ones
// the size, the beginning and the end.
outcome<std::string> make_model_mark(const planned_model& plan, const serve_options& options);

// What the nodes of one replica must have alike, by name: that, and the sizes of a step.
outcome<group_terms> make_group_terms(const planned_model& plan, const serve_options& options);

}  // namespace troupe
