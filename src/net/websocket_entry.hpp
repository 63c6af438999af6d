// The way from an HTTP request to a WebSocket, the same for every route that has one.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "net/exchange.hpp"
#include "net/websocket.hpp"

namespace troupe {

// Upgrades the connection, or refuses. Null: the exchange is answered, or the client is gone.
// `keeper` is told from now on when the server drains or ends.
asio::awaitable<std::unique_ptr<websocket>> enter_websocket(exchange& turn,
                                                            exchange::line_keeper keeper);

}  // namespace troupe
