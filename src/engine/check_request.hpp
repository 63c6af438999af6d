// What an API refuses before it asks the engine, for those who ask without one.
#pragma once
#include <cstdint>

#include "core/config.hpp"
#include "core/outcome.hpp"
#include "core/request.hpp"

namespace troupe {

// Refuses numbers out of range (NaN is), ids that the model does not have (`num_logits` is the
// width of its logits), and what an engine of these limits could never run.
refusal check_request(const generation_request& request, const engine_limits& limits,
                      std::uint32_t num_logits);

}  // namespace troupe
