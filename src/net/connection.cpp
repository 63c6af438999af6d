#include "net/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "net/tls.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;
using error = boost::system::error_code;
using clock = std::chrono::steady_clock;

constexpr auto await_tuple = asio::as_tuple(asio::use_awaitable);
constexpr auto peer_poll_period = 100ms;            // while bytes of a next request hide the end
constexpr std::size_t max_write_bytes = 256 << 10;  // that `patience` counts for
constexpr auto linger_time = 1s;
constexpr std::size_t max_linger_bytes = 1 << 20;
constexpr std::size_t max_discarded_bytes = 16 << 10;  // at a time
constexpr std::size_t max_ahead_bytes = 2 << 10;       // of a next request

}  // namespace

connection::connection(asio::ip::tcp::socket socket, asio::ssl::context* tls)
    : socket_(std::move(socket)),
      tls_(tls != nullptr ? new tls_line{{socket_, *tls}} : nullptr),
      read_ahead_(socket_.get_executor()),
      alarm_(socket_.get_executor(), clock::time_point::max()),
      peer_timer_(socket_.get_executor()) {
  error ignored;
  peer_ = socket_.remote_endpoint(ignored).address();
}

connection::~connection() = default;

asio::awaitable<io_result> connection::shake_hands(steady_time deadline) {
  if (!tls_) co_return io_result::done;
  arm(deadline);
  auto result = co_await tls_->stream.async_handshake(asio::ssl::stream_base::server, await_tuple);
  disarm();
  auto& [why] = result;
  is_secure_ = !why;
  if (is_secure_ && !is_aborted_) co_return io_result::done;
  co_return is_overdue_ ? io_result::timed_out : io_result::gone;
}

asio::awaitable<connection::transfer> connection::receive(asio::mutable_buffer buffer) {
  if (tls_) {
    auto result = co_await tls_->stream.async_read_some(buffer, await_tuple);
    co_return transfer{std::get<0>(result), std::get<1>(result)};
  }
  auto result = co_await socket_.async_read_some(buffer, await_tuple);
  co_return transfer{std::get<0>(result), std::get<1>(result)};
}

asio::awaitable<connection::transfer> connection::send(asio::const_buffer buffer) {
  if (tls_) {
    auto result = co_await asio::async_write(tls_->stream, buffer, await_tuple);
    co_return transfer{std::get<0>(result), std::get<1>(result)};
  }
  auto result = co_await asio::async_write(socket_, buffer, await_tuple);
  co_return transfer{std::get<0>(result), std::get<1>(result)};
}

asio::awaitable<io_result> connection::read_some(std::string& out, std::size_t max_bytes,
                                                 steady_time deadline) {
  if (is_aborted_) co_return io_result::gone;
  arm(deadline);
  co_await finish_reading_ahead();
  if (take_ahead(out, max_bytes)) co_return io_result::done;
  auto size = out.size();
  transfer result;
  if (!is_overdue_ && !is_aborted_) {
    out.resize(size + max_bytes);
    auto buffer = asio::buffer(out.data() + size, max_bytes);
    result = co_await receive(buffer);
    out.resize(size + result.num_bytes);
  }
  disarm();
  if (is_aborted_ || (result.why && !is_overdue_)) co_return io_result::gone;
  co_return result.num_bytes > 0 ? io_result::done : io_result::timed_out;
}

bool connection::take_ahead(std::string& out, std::size_t max_bytes) {
  if (ahead_.empty()) return false;
  disarm();
  auto num_bytes = std::min(max_bytes, ahead_.size());
  out.append(ahead_, 0, num_bytes);
  ahead_.erase(0, num_bytes);
  return true;
}

// Mostly that is all of them: no turn of the reactor, no timer.
std::size_t connection::send_at_once(std::string_view bytes) {
  if (tls_ || is_aborted_ || !socket_.is_open()) return 0;
  const auto sent =
      ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

asio::awaitable<io_result> connection::write(std::string_view bytes,
                                             std::chrono::milliseconds patience) {
  bytes.remove_prefix(send_at_once(bytes));
  while (!bytes.empty()) {
    if (is_aborted_) co_return io_result::gone;
    arm(clock::now() + patience);
    auto buffer = asio::buffer(bytes.data(), std::min(bytes.size(), max_write_bytes));
    auto result = co_await send(buffer);
    disarm();
    if (is_aborted_ || (result.why && !is_overdue_)) co_return io_result::gone;
    if (result.why) co_return io_result::timed_out;
    bytes.remove_prefix(result.num_bytes);
  }
  co_return io_result::done;
}

// Deadlines mostly move away from us, so the alarm is seldom set anew: it looks when it fires.
void connection::arm(steady_time deadline) {
  deadline_ = deadline;
  is_overdue_ = false;
  if (alarm_.expiry() <= deadline) return;
  alarm_.expires_at(deadline);
  keep_time();
}

void connection::keep_time() {
  auto look = [self = weak_from_this()](error why) {
    auto here = self.lock();
    if (!here || why) return;
    auto now = clock::now();
    if (here->deadline_ <= now) {
      here->is_overdue_ = true;
      here->socket_.cancel(why);
      here->deadline_ = steady_time::max();
    }
    here->alarm_.expires_at(here->deadline_);
    if (here->deadline_ != steady_time::max()) here->keep_time();
  };
  alarm_.async_wait(std::move(look));
}

void connection::watch_peer(std::function<void()> on_gone) {
  on_gone_ = std::move(on_gone);
  look_at_peer();
}

void connection::wait_for_peer() {
  if (std::exchange(is_waiting_for_peer_, true)) return;
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](error why) {
    self->is_waiting_for_peer_ = false;
    if (why != asio::error::operation_aborted) self->look_at_peer();
  });
}

// A TLS peer may say farewell and keep its socket: only a read finds that.
void connection::read_ahead() {
  if (std::exchange(is_reading_ahead_, true)) return;
  ahead_.resize(max_ahead_bytes);
  auto take = [self = shared_from_this()](error why, std::size_t num_bytes) {
    self->is_reading_ahead_ = false;
    self->ahead_.resize(num_bytes);
    self->read_ahead_.notify();
    if (!why)
      self->look_at_peer();
    else if (why != asio::error::operation_aborted && self->on_gone_)
      std::exchange(self->on_gone_, nullptr)();
  };
  tls_->stream.async_read_some(asio::buffer(ahead_), std::move(take));
}

asio::awaitable<void> connection::finish_reading_ahead() {
  while (is_reading_ahead_) co_await read_ahead_.wait();
}

asio::awaitable<void> connection::settle_watch() {
  unwatch();
  co_await finish_reading_ahead();
}

asio::awaitable<void> connection::end_watch() {
  unwatch();
  error ignored;
  if (is_reading_ahead_) socket_.cancel(ignored);
  co_await finish_reading_ahead();
}

asio::awaitable<void> connection::give_back(std::string bytes) {
  co_await end_watch();
  ahead_.insert(0, bytes);
}

void connection::look_at_peer() {
  if (!on_gone_) return;
  error ignored;
  if (peer_is_gone())
    std::exchange(on_gone_, nullptr)();
  else if (tls_ && ahead_.empty())
    read_ahead();
  else if (!tls_ && socket_.available(ignored) == 0)
    wait_for_peer();
  else
    look_later();
}

void connection::look_later() {
  if (std::exchange(is_waiting_for_peer_, true)) return;
  peer_timer_.expires_after(peer_poll_period);
  peer_timer_.async_wait([self = shared_from_this()](error) {
    self->is_waiting_for_peer_ = false;
    self->look_at_peer();
  });
}

// Sees the end also behind bytes that nobody has read.
bool connection::peer_is_gone() {
  if (!socket_.is_open()) return true;
  pollfd look{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLERR | POLLHUP)) != 0;
}

void connection::abort() {
  is_aborted_ = true;
  error ignored;
  socket_.cancel(ignored);
}

// Our own farewell, and the peer's, if it has one.
asio::awaitable<void> connection::say_goodbye(steady_time deadline) {
  co_await end_watch();
  arm(deadline);
  co_await tls_->stream.async_shutdown(await_tuple);
  disarm();
}

asio::awaitable<void> connection::close_gently() {
  auto deadline = clock::now() + linger_time;
  if (is_secure_ && !is_aborted_) co_await say_goodbye(deadline);
  error ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  std::vector<char> discarded(max_discarded_bytes);
  std::size_t num_bytes = 0;
  while (!ignored && !is_aborted_ && num_bytes < max_linger_bytes) {
    arm(deadline);
    auto result = co_await socket_.async_read_some(asio::buffer(discarded), await_tuple);
    if (std::get<0>(result)) break;
    num_bytes += std::get<1>(result);
  }
  close();
}

void connection::close() {
  unwatch();
  error ignored;
  socket_.close(ignored);
  peer_timer_.cancel();
  alarm_.cancel();
}

}  // namespace troupe
