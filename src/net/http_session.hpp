// One client connection: reads requests one after another, within limits of size and time, and
// hands each to its route.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/connection.hpp"
#include "net/exchange.hpp"
#include "net/request_parser.hpp"
#include "net/server_context.hpp"

namespace troupe {

class http_session : public std::enable_shared_from_this<http_session> {
 public:
  // `is_hurried`: it has a place that others wait for, and little time to say what it wants.
  http_session(server_context& house, asio::ip::tcp::socket socket, bool is_hurried = false);
  ~http_session();

  asio::any_io_executor strand() { return line_->strand(); }
  // Serves until the client or the server has enough. Whoever runs it keeps the session alive.
  asio::awaitable<void> run();

  // The following are called on the strand.
  // No request may follow those that are under way.
  void wind_up();
  void end_request(const failure& why);
  void close() { line_->close(); }
  void abort();

 private:
  enum class read_result : std::uint8_t {
    request,  // complete
    refused,  // answered; the connection goes on
    closed,   // answered or not; the connection is over
  };
  asio::awaitable<bool> serve_one();
  asio::awaitable<read_result> read_request(request_parser& parser);
  asio::awaitable<bool> read_first_byte();
  asio::awaitable<bool> read_more(const request_parser& parser);
  bool put(request_parser& parser);
  // Skips the rest of a body of known length; otherwise the connection ends.
  asio::awaitable<read_result> refuse_body(http_response why,
                                           std::optional<std::uint64_t> num_missing);
  asio::awaitable<read_result> refuse_and_close(http_response why);
  asio::awaitable<read_result> refuse_and_skip(http_response why, std::uint64_t num_bytes);
  std::optional<http_response> object_to_head(const http_request& head);
  asio::awaitable<void> dispatch(exchange& turn);
  void observe(const exchange& turn);
  void note(const exchange& turn);
  void note_broken(int status, std::uint64_t num_bytes_out);
  void observe(std::string route, std::string method, int status, connection::steady_time since);
  std::chrono::milliseconds patience(std::chrono::milliseconds usual) const;
  connection::steady_time read_deadline(const request_parser& parser);
  void give_back_body_bytes();

  server_context& house_;
  std::shared_ptr<connection> line_;
  const bool is_hurried_;
  std::string input_;                   // read, not yet parsed
  std::optional<exchange> turn_;        // the request that is answered at present
  bool is_idle_ = false;                // has no request, not even a part of one
  connection::steady_time begin_;       // of the request that is read
  connection::steady_time body_begin_;  // of the present stretch of its body
  std::uint64_t num_stretch_bytes_ = 0;
  std::uint64_t num_body_bytes_ = 0;
  std::uint64_t num_request_bytes_ = 0;  // with its head
  std::string route_label_;
};

}  // namespace troupe
