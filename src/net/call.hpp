// One call of an API, whoever brought it: an HTTP request, or a frame of a WebSocket.
#pragma once
#include <memory>
#include <string>

#include "core/request.hpp"
#include "net/bridge.hpp"
#include "net/client_facts.hpp"
#include "net/server_context.hpp"
#include "net/token_account.hpp"

namespace troupe {

struct call {
  server_context& house;
  strand_home home;
  std::string id;                          // what the client may quote
  request_id number;                       // of the first request that it makes
  steady_time arrival;                     // when its first byte was understood
  client_facts client;                     // who asks
  std::shared_ptr<token_account> account;  // what its requests are charged to
};

}  // namespace troupe
