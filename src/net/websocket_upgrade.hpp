// Is this request one that a WebSocket may begin with? Pure.
#pragma once
#include <optional>

#include "net/http_message.hpp"

namespace troupe {

// What is missing for an upgrade, if anything.
std::optional<http_error> check_upgrade(const http_request& request);

}  // namespace troupe
