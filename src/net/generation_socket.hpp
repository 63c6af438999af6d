// /ws: many generations side by side on one WebSocket, as docs/websocket.md says. The reader and
// the writer are two coroutines on the connection's strand. The writer asks the generations in
// turns what they have whenever the socket has taken the last frames, so that none of them waits
// for another, and text that cannot be sent stays in its feed.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/client_frame.hpp"
#include "net/exchange.hpp"
#include "net/framed_answer.hpp"
#include "net/strand_event.hpp"
#include "net/websocket.hpp"

namespace troupe {

class generation_socket {
 public:
  explicit generation_socket(exchange& turn);
  ~generation_socket();
  generation_socket(const generation_socket&) = delete;
  generation_socket& operator=(const generation_socket&) = delete;

  // Upgrades, or refuses, and serves until the client or the server has enough.
  asio::awaitable<void> run();

 private:
  asio::awaitable<void> read_all();
  asio::awaitable<void> write_all();
  void end_writing(std::exception_ptr thrown);
  std::optional<std::string> next_frame();
  std::optional<std::string> next_frame_of_answers();
  asio::awaitable<void> obey(client_frame frame);
  asio::awaitable<void> start(generate_frame frame);
  void reply(std::string frame);
  void refuse(std::string_view id, const failure& why);
  framed_answer* find_or_refuse(const std::string& id);
  void wind_up();
  void end_all(const failure& why);

  exchange& turn_;
  std::unique_ptr<websocket> socket_;
  std::shared_ptr<strand_event> work_;  // for the writer
  strand_event room_;                   // for the reader
  std::map<std::string, std::unique_ptr<framed_answer>> answers_;
  std::string last_served_;          // its id: the next one has the next turn
  std::deque<std::string> replies_;  // to frames of the client: bounded by waiting with the next
  std::size_t num_reply_bytes_ = 0;
  std::uint64_t num_started_ = 0;
  bool is_winding_up_ = false;  // closes after the last generation
  bool is_over_ = false;        // nothing comes from the client any more
  bool is_writing_ = false;
};

}  // namespace troupe
