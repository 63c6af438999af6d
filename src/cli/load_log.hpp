// What the log says while a model is planned and loaded.
#pragma once
#include <string>

#include "engine/load_model.hpp"

namespace troupe {

// Says so a few times, not for every matrix.
load_progress make_progress_log();

// Line by line.
void log_lines(const std::string& text);

}  // namespace troupe
