#include "net/connection.hpp"

#include <poll.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <algorithm>
#include <tuple>
#include <utility>

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

}  // namespace

connection::connection(asio::ip::tcp::socket socket)
    : socket_(std::move(socket)),
      alarm_(socket_.get_executor(), clock::time_point::max()),
      peer_timer_(socket_.get_executor()) {
  error ignored;
  peer_ = socket_.remote_endpoint(ignored).address();
}

asio::awaitable<io_result> connection::read_some(std::string& out, std::size_t max_bytes,
                                                 steady_time deadline) {
  if (is_aborted_) co_return io_result::gone;
  arm(deadline);
  auto size = out.size();
  out.resize(size + max_bytes);
  auto buffer = asio::buffer(out.data() + size, max_bytes);
  auto result = co_await socket_.async_read_some(buffer, await_tuple);
  deadline_ = steady_time::max();
  auto& [why, num_bytes] = result;
  out.resize(size + num_bytes);
  if (is_aborted_ || (why && !is_overdue_)) co_return io_result::gone;
  co_return num_bytes > 0 ? io_result::done : io_result::timed_out;
}

asio::awaitable<io_result> connection::write(std::string_view bytes,
                                             std::chrono::milliseconds patience) {
  while (!bytes.empty()) {
    if (is_aborted_) co_return io_result::gone;
    arm(clock::now() + patience);
    auto buffer = asio::buffer(bytes.data(), std::min(bytes.size(), max_write_bytes));
    auto result = co_await asio::async_write(socket_, buffer, await_tuple);
    deadline_ = steady_time::max();
    auto& [why, num_bytes] = result;
    if (is_aborted_ || (why && !is_overdue_)) co_return io_result::gone;
    if (why) co_return io_result::timed_out;
    bytes.remove_prefix(num_bytes);
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
  wait_for_peer();
}

void connection::wait_for_peer() {
  if (std::exchange(is_waiting_for_peer_, true)) return;
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](error why) {
    self->is_waiting_for_peer_ = false;
    if (why != asio::error::operation_aborted) self->look_at_peer();
  });
}

void connection::look_at_peer() {
  if (!on_gone_) return;
  if (peer_is_gone()) {
    std::exchange(on_gone_, nullptr)();
    return;
  }
  error ignored;
  if (socket_.available(ignored) == 0) {
    wait_for_peer();
    return;
  }
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

asio::awaitable<void> connection::close_gently() {
  error ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  auto deadline = clock::now() + linger_time;
  std::string discarded;
  std::size_t num_bytes = 0;
  while (!ignored && num_bytes < max_linger_bytes) {
    discarded.clear();
    auto result = co_await read_some(discarded, 16 << 10, deadline);
    if (result != io_result::done) break;
    num_bytes += discarded.size();
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
