#include "net/generation_socket.hpp"
#include "net/responses_socket.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

asio::awaitable<void> answer_websocket(exchange& turn) {
  generation_socket socket(turn);
  co_await socket.run();
}

asio::awaitable<void> answer_responses_socket(exchange& turn) {
  responses_socket socket(turn);
  co_await socket.run();
}

}  // namespace troupe
