// One call of an API, whoever brought it: an HTTP request, or a frame of a WebSocket.
#pragma once
#include <cstdint>
#include <string>

#include "core/request.hpp"
#include "net/bridge.hpp"
#include "net/server_context.hpp"

namespace troupe {

struct call {
  server_context& house;
  strand_home home;
  std::string id;       // what the client may quote
  request_id number;    // of the first request that it makes
  steady_time arrival;  // when its first byte was understood
  // Of the client: prefixes are shared within it only.
  std::uint64_t cache_salt = 0;
};

}  // namespace troupe
