// One client's socket on its strand, plain or with TLS, with deadlines on everything: a read, a
// write, and a watch that tells when the client left while nobody reads.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/strand_event.hpp"

namespace boost::asio::ssl {
class context;
}

namespace troupe {

namespace asio = boost::asio;

struct tls_line;

enum class io_result : std::uint8_t { done, timed_out, gone };

// Every member is called on the strand, and by one coroutine at a time.
class connection : public std::enable_shared_from_this<connection> {
 public:
  using steady_time = std::chrono::steady_clock::time_point;

  // Plain without `tls`.
  explicit connection(asio::ip::tcp::socket socket, asio::ssl::context* tls = nullptr);
  ~connection();

  asio::any_io_executor strand() { return socket_.get_executor(); }
  bool is_secure() const { return is_secure_; }
  // The other end as it was at the beginning.
  const asio::ip::address& peer() const { return peer_; }

  // Before anything else. Without TLS there is nothing to do.
  asio::awaitable<io_result> shake_hands(steady_time deadline);

  // Appends what comes, at most `max_bytes`.
  asio::awaitable<io_result> read_some(std::string& out, std::size_t max_bytes,
                                       steady_time deadline);
  // Bytes that were read and belong to whoever reads next. Ends a watch.
  asio::awaitable<void> give_back(std::string bytes);
  // How many bytes the socket takes without waiting; 0 also when it is broken, which `write` tells.
  std::size_t send_at_once(std::string_view bytes);
  // All of `bytes`, however long that takes, as long as the client takes some of them in each
  // `patience`.
  asio::awaitable<io_result> write(std::string_view bytes, std::chrono::milliseconds patience);

  // Calls `on_gone` once if the client closes its side or resets; bytes of a next request are no
  // end. A half-closed client counts as gone. Stops with `unwatch`.
  void watch_peer(std::function<void()> on_gone);
  void unwatch() { on_gone_ = nullptr; }

  // Ends the wait of a read or a write with `gone`; later ones, too.
  void abort();
  // Says that nothing more comes, then reads what is under way for a moment: closing at once could
  // reset the connection before the client has read the answer.
  asio::awaitable<void> close_gently();
  void close();

  // For a protocol that drives the stream itself (net/websocket.cpp).
  asio::ip::tcp::socket& socket() { return socket_; }
  tls_line* tls() { return tls_.get(); }   // null when plain
  std::string& ahead() { return ahead_; }  // was read already
  // Ends a watch as soon as something comes; a write goes on undisturbed.
  asio::awaitable<void> settle_watch();
  // What is under way on the socket ends with an error at that time, unless disarmed.
  void arm(steady_time deadline);
  void disarm() { deadline_ = steady_time::max(); }

 private:
  struct transfer {
    boost::system::error_code why;
    std::size_t num_bytes = 0;
  };
  asio::awaitable<transfer> receive(asio::mutable_buffer buffer);
  asio::awaitable<transfer> send(asio::const_buffer buffer);
  bool take_ahead(std::string& out, std::size_t max_bytes);
  asio::awaitable<void> finish_reading_ahead();
  asio::awaitable<void> end_watch();
  asio::awaitable<void> say_goodbye(steady_time deadline);
  void keep_time();
  void wait_for_peer();
  void read_ahead();
  void look_at_peer();
  void look_later();
  bool peer_is_gone();

  asio::ip::tcp::socket socket_;
  asio::ip::address peer_;
  std::unique_ptr<tls_line> tls_;
  bool is_secure_ = false;         // the handshake is done
  std::string ahead_;              // read, and given to nobody yet
  bool is_reading_ahead_ = false;  // a TLS peer's farewell shows only to a reader
  strand_event read_ahead_;
  asio::steady_timer alarm_;  // fires at or before `deadline_`, then is set again
  asio::steady_timer peer_timer_;
  steady_time deadline_ = steady_time::max();
  bool is_overdue_ = false;
  bool is_aborted_ = false;
  bool is_waiting_for_peer_ = false;
  std::function<void()> on_gone_;
};

}  // namespace troupe
