// OpenAI's Responses API over a WebSocket: {"type": "response.create", ...} as often as one likes,
// each answered by the events of POST /v1/responses, one frame an event, in turn.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "net/call.hpp"
#include "net/dialect.hpp"
#include "net/exchange.hpp"
#include "net/feed_group.hpp"
#include "net/strand_event.hpp"
#include "net/websocket.hpp"

namespace troupe {

class responses_socket {
 public:
  explicit responses_socket(exchange& turn);
  ~responses_socket();
  responses_socket(const responses_socket&) = delete;
  responses_socket& operator=(const responses_socket&) = delete;

  // Upgrades, or refuses; returns when the connection is over.
  asio::awaitable<void> run();

 private:
  asio::awaitable<void> read_all();
  asio::awaitable<void> answer_all();
  asio::awaitable<bool> answer(std::string body);
  asio::awaitable<bool> stream(const call& who, answer_plan plan);
  asio::awaitable<bool> refuse(const http_error& why);
  call make_call();
  void take(std::string message);
  void end(const failure& why);

  exchange& turn_;
  std::unique_ptr<websocket> socket_;
  strand_event work_;                  // a message came, or the end
  strand_event left_;                  // the other coroutine ended
  std::deque<std::string> waiting_;    // bodies that are not answered yet
  std::optional<http_error> breach_;   // what the client did wrong between bodies
  std::unique_ptr<feed_group> feeds_;  // of the answer under way
  std::uint64_t num_started_ = 0;
  bool is_over_ = false;
  bool is_winding_up_ = false;
  bool is_answering_ = false;
};

}  // namespace troupe
