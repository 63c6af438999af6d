// The key that a client shows: given, or of the environment.
#pragma once
#include <string>

#include "core/outcome.hpp"

namespace troupe {

// `given`, else TROUPE_API_KEY, else OPENAI_API_KEY, else nothing. A failure: it cannot stand in a
// header.
outcome<std::string> find_api_key(const std::string& given);

}  // namespace troupe
