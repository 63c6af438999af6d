#include "net/websocket_entry.hpp"

#include <utility>

#include "net/api_keys.hpp"
#include "net/websocket_upgrade.hpp"

namespace troupe {
namespace {

constexpr std::string_view own_protocol = "troupe";

websocket_options options_of(server_context& house) {
  auto& o = house.options;
  return {.max_message_bytes = o.max_body_bytes,
          .compression = o.websocket_compression,
          .idle_timeout = o.idle_timeout,
          .write_timeout = o.write_timeout,
          .num_held_bytes = &house.num_body_bytes,
          .max_held_bytes = o.max_bodies_bytes};
}

}  // namespace

asio::awaitable<std::unique_ptr<websocket>> enter_websocket(exchange& turn,
                                                            exchange::line_keeper keeper) {
  auto wrong = check_upgrade(turn.request());
  if (wrong) {
    co_await turn.refuse(*wrong);
    co_return nullptr;
  }
  auto& line = turn.take_line(std::move(keeper));
  auto socket = std::make_unique<websocket>(line, options_of(turn.house()));
  std::vector<http_header> headers{{"X-Request-Id", turn.id()}};
  // A browser that offers protocols (its key is one, see net/api_keys.hpp) leaves unless one of
  // them is chosen.
  if (offers_protocol(turn.request(), own_protocol))
    headers.emplace_back("Sec-WebSocket-Protocol", own_protocol);
  bool is_open = co_await socket->accept(turn.request(), std::move(headers));
  if (!is_open) co_return nullptr;
  co_return socket;
}

}  // namespace troupe
