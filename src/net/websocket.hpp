// One client's WebSocket over its connection: text messages in both directions, whole ones only.
// Beast frames them, answers pings, and closes with the right code on a breach of the protocol:
// 1002, 1007 (no UTF-8) or 1009 (too long). Here: 1003 (binary), 1013 (no room for more messages),
// pings of our own, and the end of a client that is silent or takes nothing.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/connection.hpp"
#include "net/http_message.hpp"

namespace troupe {

struct websocket_options {
  std::uint64_t max_message_bytes = 8U << 20;
  bool compression = false;                 // permessage-deflate, if the client wants it
  std::chrono::milliseconds idle_timeout;   // nothing came, no pong either
  std::chrono::milliseconds write_timeout;  // for a message to be taken
  std::chrono::milliseconds close_timeout{5000};
  // Messages that are read or worked on, of all connections together.
  std::atomic<std::uint64_t>* num_held_bytes = nullptr;
  std::uint64_t max_held_bytes = 0;
};

enum class close_code : std::uint16_t {
  going_away = 1001,
  unknown_data = 1003,
  try_again_later = 1013,
};

// Every member is called on the strand. One `receive`, one of the sending members and one
// `close` may be under way at the same time; all have returned before this is destroyed.
class websocket {
 public:
  // `line` must outlive this.
  websocket(connection& line, websocket_options options);
  ~websocket();
  websocket(const websocket&) = delete;
  websocket& operator=(const websocket&) = delete;

  // Answers an upgrade request that check_upgrade found fine. False: the client is gone.
  asio::awaitable<bool> accept(const http_request& request, std::vector<http_header> headers);
  // The next message. It counts as held until the next call. False: the connection is over, and
  // said so to the client if it could.
  asio::awaitable<bool> receive(std::string& message);
  // False: the client is gone or takes nothing, and `receive` ends as well.
  asio::awaitable<bool> send(std::string_view message);
  // The same for a message that others follow at once: they leave together. `flush` comes after
  // the last one, and before any wait.
  asio::awaitable<bool> send_with_next(std::string_view message);
  asio::awaitable<bool> flush();
  // Says why, waits a moment for the client's farewell, and ends `receive`.
  asio::awaitable<void> close(close_code code, std::string_view reason);
  // Ends whatever is under way, without a word.
  void abort();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace troupe
