// One HTTP request and the ways to answer it. A route sees nothing else of the connection.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/call.hpp"
#include "net/client_facts.hpp"
#include "net/connection.hpp"
#include "net/error_style.hpp"
#include "net/feed_group.hpp"
#include "net/held_bytes.hpp"
#include "net/http_message.hpp"
#include "net/server_context.hpp"
#include "net/token_account.hpp"

namespace troupe {

class exchange {
 public:
  exchange(server_context& house, connection& line, http_request request);
  ~exchange();
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  const http_request& request() const { return request_; }
  const service& facts() const { return house_.facts; }
  server_context& house() { return house_; }
  strand_home home();
  connection::steady_time arrival() const { return arrival_; }
  request_id number() const { return number_; }
  // What the client may quote: its own X-Request-Id where that is sane, or one of ours.
  const std::string& id() const { return id_; }
  call as_call() { return {house_, home(), id_, number_, arrival_, client_, account_}; }
  const client_facts& client() const { return client_; }
  const gate_options& gate() const { return house_.options.gate; }
  // What the requests made here are charged to.
  const std::shared_ptr<token_account>& account() const { return account_; }

  // How refusals look from now on.
  void speak(error_style style) { style_ = style; }

  // The whole answer.
  asio::awaitable<void> reply(http_response response);
  // The same with a body that comes piece by piece: `num_bytes` in all. An empty piece: there is no
  // more of it after all, and the connection ends.
  asio::awaitable<void> reply_in_pieces(http_response head, std::uint64_t num_bytes,
                                        std::function<std::string()> next);
  asio::awaitable<void> refuse(const http_error& why);
  asio::awaitable<void> refuse(const failure& why);

  // The answer as server-sent events. Each call sends whole events; the first one sends the head
  // before them, `is_last` ends the answer. False: the socket did not take all of it at once, and
  // `send_rest` must be awaited.
  bool send_events(std::string_view events, bool is_last);
  // False: the client is gone or reads nothing.
  asio::awaitable<bool> send_rest();

  // Submits requests whose answers this client waits for: cancelled when the client leaves.
  feed_group& open_feeds(std::vector<feed_order> orders);

  // Does nothing for a while. False: the client left, or the server ends what is under way.
  asio::awaitable<bool> wait(std::chrono::milliseconds time);

  // The connection may serve another request.
  bool can_go_on() const { return is_complete_ && keep_alive_; }
  bool has_begun() const { return status_ != 0; }
  // For the statistics: 0 if nothing was answered, 499 if the client left before the end.
  int status() const { return client_left_ ? 499 : status_; }
  std::uint64_t num_bytes_out() const { return num_bytes_out_; }

  // Ends what is under way; the client hears `why`.
  void end(const failure& why);
  // Tells a route that has taken the connection over that the server drains.
  void wind_up();

  // The connection is the route's until its handler returns, and over then; whoever has it answers
  // to `wind_up` and `end` by these.
  struct line_keeper {
    std::function<void()> wind_up;
    std::function<void(const failure&)> end;
  };
  connection& take_line(line_keeper keeper);

 private:
  std::vector<http_header> common_headers() const;
  void begin_events();
  void consider_closing();
  void observe_streams(std::int32_t change);
  head_options head() const { return {keep_alive_, request_.is_http_1_0}; }

  server_context& house_;
  connection& line_;
  http_request request_;
  connection::steady_time arrival_;
  request_id number_;
  std::string id_;
  client_facts client_;
  std::shared_ptr<token_account> account_ = std::make_shared<token_account>();
  asio::steady_timer pause_;
  std::optional<feed_group> feeds_;
  line_keeper keeper_;
  error_style style_ = error_style::openai;
  bool keep_alive_;
  bool is_complete_ = false;
  bool client_left_ = false;
  bool was_ended_ = false;
  bool is_streaming_ = false;
  bool was_last_sent_ = false;  // the end of the events is among `unsent_`, or was
  std::string unsent_;          // of the events
  held_bytes held_;             // of what its client has not taken
  int status_ = 0;
  std::uint64_t num_bytes_out_ = 0;
};

}  // namespace troupe
