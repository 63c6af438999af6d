#include "net/listener.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "net/error_style.hpp"
#include "net/http_session.hpp"
#include "net/server_log.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using error = boost::system::error_code;

constexpr auto await_tuple = asio::as_tuple(asio::use_awaitable);
constexpr auto pause_after_error = 100ms;
constexpr int backlog = 4096;
// While accepting pauses: enough for whoever asks for health and metrics.
constexpr std::size_t max_hurried = 8;

// What concerns one connection only, as accept(2) lists it; the next one may be fine.
bool is_passing(const error& why) {
  return why == asio::error::connection_aborted || why == asio::error::connection_reset ||
         why == asio::error::interrupted || why == asio::error::network_down ||
         why == asio::error::host_unreachable || why == asio::error::network_unreachable;
}

const std::string& too_many_connections() {
  static const std::string bytes = [] {
    http_error why{.status = 503,
                   .message = "too many connections from this address",
                   .code = "too_many_connections"};
    auto response = to_response(why, error_style::openai);
    return serialise_head(response, {.keep_alive = false}) + response.body;
  }();
  return bytes;
}

}  // namespace

listener::listener(asio::io_context& io, server_context& house)
    : io_(io),
      house_(house),
      strand_(asio::make_strand(io)),
      acceptor_(strand_),
      pause_(strand_),
      permit_returned_(strand_) {}

refusal listener::start() {
  auto& options = house_.options;
  error why;
  auto address = asio::ip::make_address(options.host, why);
  if (why) return failure{.message = "\"" + options.host + "\" is no IP address", .field = "host"};
  tcp::endpoint where(address, options.port);
  acceptor_.open(where.protocol(), why);
  if (!why) acceptor_.set_option(tcp::acceptor::reuse_address(true), why);
  if (!why) acceptor_.bind(where, why);
  if (!why) acceptor_.listen(backlog, why);
  if (why)
    return failure{.code = error_code::io_error,
                   .message = "cannot listen on " + options.host + " port " +
                              std::to_string(options.port) + ": " + why.message(),
                   .field = "port"};
  port_ = acceptor_.local_endpoint(why).port();
  auto run = [self = shared_from_this(), guest = head_count::guest(house_.house)](
                 std::exception_ptr) mutable { guest.leave(); };
  asio::co_spawn(strand_, accept_all(), std::move(run));
  log_listening(options.host, port_);
  return nothing{};
}

void listener::stop() {
  asio::post(strand_, [self = shared_from_this()] {
    error ignored;
    self->acceptor_.close(ignored);
    self->pause_.cancel();
    self->permit_returned_.notify();
  });
}

void listener::look_again() {
  asio::post(strand_, [self = shared_from_this()] { self->permit_returned_.notify(); });
}

bool listener::has_room() const {
  if (num_connections_ >= house_.options.max_connections) return false;
  return !house_.is_overloaded(overload_level::pausing) || num_hurried_ < max_hurried;
}

// What one thread runs needs no strand.
asio::any_io_executor listener::make_home() {
  if (house_.options.num_io_threads <= 1) return io_.get_executor();
  return asio::make_strand(io_);
}

asio::awaitable<void> listener::accept_all() {
  while (acceptor_.is_open()) {
    if (!has_room()) {
      co_await permit_returned_.wait();
      continue;
    }
    auto home = make_home();
    auto result = co_await acceptor_.async_accept(home, await_tuple);
    auto& [why, socket] = result;
    if (!why) {
      if (std::exchange(is_failing_, false)) log_accept_recovered();
      begin_session(std::move(socket));
    } else if (acceptor_.is_open() && !is_passing(why)) {
      co_await rest_after(why);
    }
  }
}

// Out of descriptors or memory: the connection stays in the backlog, so trying again at once would
// spin.
asio::awaitable<void> listener::rest_after(const error& why) {
  if (!std::exchange(is_failing_, true)) log_accept_failing(why.message());
  pause_.expires_after(pause_after_error);
  co_await pause_.async_wait(await_tuple);
}

std::string listener::limited_address(const tcp::socket& socket) const {
  auto& gate = house_.options.gate;
  error why;
  auto peer = plain_address(socket.remote_endpoint(why).address());
  bool is_limited = gate.max_connections_per_ip > 0 && !why &&
                    (!peer.is_loopback() || gate.limits_loopback) &&
                    !is_among(gate.trusted_proxies, peer);
  return is_limited ? address_key(peer) : std::string();
}

// Costs no session: what does not fit into the socket's buffer at once is not said.
void listener::turn_away(tcp::socket socket) {
  error ignored;
  socket.non_blocking(true, ignored);
  // Nobody who expects a handshake can read plain text.
  if (!house_.tls) socket.write_some(asio::buffer(too_many_connections()), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  // Bytes left unread would reset the connection before the client reads why.
  char unread[4096];
  socket.read_some(asio::buffer(unread), ignored);
  caf::anon_send(house_.facts.observer, refusal_observed{refusal_reason::connections});
}

void listener::begin_session(tcp::socket socket) {
  auto address = limited_address(socket);
  if (!address.empty() && !addresses_.enter(address, house_.options.gate.max_connections_per_ip)) {
    turn_away(std::move(socket));
    return;
  }
  error ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  // The kernel's own growing buffer would hide a client that does not read for megabytes.
  socket.set_option(
      tcp::socket::send_buffer_size(static_cast<int>(house_.options.send_buffer_bytes)), ignored);
  bool is_hurried = house_.is_overloaded(overload_level::pausing);
  auto session = std::make_shared<http_session>(house_, std::move(socket), is_hurried);
  house_.sessions.add(session);
  ++num_connections_;
  if (is_hurried) ++num_hurried_;
  caf::anon_send(house_.facts.observer, front_observed{.connections = 1});
  auto finish = [self = shared_from_this(), session, address, is_hurried,
                 guest = head_count::guest(house_.house)](std::exception_ptr thrown) mutable {
    if (thrown) log_thrown("a session", thrown);
    session->close();
    asio::post(self->strand_, [self, address, is_hurried] {
      self->addresses_.leave(address);
      --self->num_connections_;
      if (is_hurried) --self->num_hurried_;
      caf::anon_send(self->house_.facts.observer, front_observed{.connections = -1});
      self->permit_returned_.notify();
    });
    session = nullptr;
    guest.leave();
  };
  asio::co_spawn(session->strand(), session->run(), std::move(finish));
}

}  // namespace troupe
