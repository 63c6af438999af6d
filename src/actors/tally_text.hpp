// The tally in Prometheus' text form: vLLM's names with vLLM's meanings, so that its dashboards and
// alerts work unedited, and troupe_ for what those do not say.
#pragma once
#include "actors/tally.hpp"

#include <cstddef>
#include <string>

namespace troupe {

// `num_messages`: in the meter's own mailbox.
std::string to_text(const tally& t, steady_time now, std::size_t num_messages);

}  // namespace troupe
