#include "link/byte_link.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "model/runner.hpp"

namespace troupe {
namespace {

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int bounded(std::size_t num_bytes) {
  return static_cast<int>(std::min<std::size_t>(num_bytes, std::numeric_limits<int>::max()));
}

}  // namespace

byte_link::byte_link(socket_handle socket, const tls_identity* identity, bool is_server,
                     std::string peer)
    : socket_(std::move(socket)), peer_(std::move(peer)) {
  if (identity != nullptr) tls_ = identity->begin(socket_.get(), is_server);
}

std::size_t byte_link::send_some(std::span<const std::byte> bytes, bool more_follows) {
  if (bytes.empty()) return 0;
  if (tls_) return moved(SSL_write(tls_.get(), bytes.data(), bounded(bytes.size())));
  const int flags = MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
  const auto count = ::send(socket_.get(), bytes.data(), bytes.size(), flags);
  if (count >= 0) return static_cast<std::size_t>(count);
  if (would_block()) return 0;
  fail(std::strerror(errno));
}

std::size_t byte_link::receive_some(std::span<std::byte> bytes) {
  if (bytes.empty()) return 0;
  if (tls_) return moved(SSL_read(tls_.get(), bytes.data(), bounded(bytes.size())));
  const auto count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count == 0) fail("the connection ended");
  if (would_block()) return 0;
  fail(std::strerror(errno));
}

bool byte_link::shake_hands() {
  if (!tls_ || SSL_is_init_finished(tls_.get()) == 1) return true;
  return moved(SSL_do_handshake(tls_.get())) > 0;
}

std::size_t byte_link::moved(int result) {
  if (result > 0) return static_cast<std::size_t>(result);
  const int why = SSL_get_error(tls_.get(), result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
  fail(describe_tls_error());
}

void byte_link::fail(const std::string& why) const {
  throw device_error("The connection to " + peer_ + " failed: " + why + ".");
}

void byte_link::shut() noexcept { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace troupe
