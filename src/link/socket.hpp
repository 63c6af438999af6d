// TCP sockets as owned descriptors, all of them non-blocking: who waits, waits with a deadline.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "core/outcome.hpp"

namespace troupe {

class socket_handle {
 public:
  socket_handle() = default;
  explicit socket_handle(int descriptor) : descriptor_(descriptor) {}
  ~socket_handle();
  socket_handle(socket_handle&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  socket_handle& operator=(socket_handle&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

struct socket_place {
  std::string host;  // a name or an address, IPv6 without brackets
  std::uint16_t port = 0;
};
// "10.0.0.7:7070", "[::1]:7070", and back. Refuses what has no port.
outcome<socket_place> read_place(const std::string& text);
std::string to_text(const socket_place& place);

// Whether nobody but this machine reaches that address. A name counts as one elsewhere.
bool is_loopback(const std::string& host);

// The address of this machine that a peer at `host` sees. Sends nothing.
outcome<std::string> find_own_address(const std::string& host);

// Listens at a free port of that address.
outcome<socket_handle> open_listener(const std::string& address);
// Where it listens.
outcome<socket_place> place_of(const socket_handle& listener);
// The next one who came; without one an empty handle.
socket_handle accept_next(const socket_handle& listener);

// On its way: writable when it has arrived or failed, which has_arrived() tells.
outcome<socket_handle> begin_connect(const socket_place& place);
refusal has_arrived(const socket_handle& connecting);

// Both ends of a connection within this process.
outcome<std::pair<socket_handle, socket_handle>> make_pair_of_sockets();

}  // namespace troupe
