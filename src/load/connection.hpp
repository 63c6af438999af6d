// One connection of a load generator: HTTP/1.1 kept alive, or a WebSocket; plain or TLS. One
// exchange at a time, on the thread of its io_context.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "core/outcome.hpp"
#include "load/answer_reader.hpp"
#include "net/http_url.hpp"

namespace troupe::load {

namespace asio = boost::asio;

// Seconds since the begin of the run.
class run_clock {
 public:
  using steady = std::chrono::steady_clock;
  explicit run_clock(steady::time_point begin) : begin_(begin) {}
  double now() const { return std::chrono::duration<double>(steady::now() - begin_).count(); }
  steady::time_point at(double seconds) const {
    return begin_ +
           std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(seconds));
  }

 private:
  steady::time_point begin_;
};

struct target_options {
  http_url where;
  bool is_websocket = false;
  bool verify_certificate = true;
  std::string ca_file;       // PEM; empty: those that the system trusts
  std::string bearer_token;  // sent if not empty
};

// Where all connections of a run go: the name is looked up once. Shared by threads.
struct target {
  target_options options;
  asio::ip::tcp::resolver::results_type addresses;
  std::shared_ptr<asio::ssl::context> tls;  // null without TLS
};
outcome<target> find_target(const target_options& options);

class connection {
 public:
  connection() = default;
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  virtual ~connection() = default;

  // Both answer the class of a failure (run_record.hpp), or nothing.
  virtual asio::awaitable<std::string> open() = 0;
  // `message`: a whole HTTP request, or the text of a frame. What is wrong with the answer itself
  // stands in `answer`.
  virtual asio::awaitable<std::string> exchange(const std::string& message,
                                                answer_reader& answer) = 0;
  // After an exchange: whether another may follow.
  virtual bool is_reusable() const = 0;
  // Ends whatever is under way, with a failure.
  virtual void close() = 0;
};

std::unique_ptr<connection> make_connection(asio::io_context& io, const target& to,
                                            const run_clock& clock);

}  // namespace troupe::load
