// A connection to one peer, in the clear or over TLS. Never blocks: whoever waits polls the
// descriptor. One thread uses it; shut() is anybody's. OpenSSL writes with write(): the process
// ignores SIGPIPE.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "link/socket.hpp"
#include "link/tls_identity.hpp"

namespace troupe {

class byte_link {
 public:
  // Without `identity` in the clear. `peer` is for messages: "rank 2".
  byte_link(socket_handle socket, const tls_identity* identity, bool is_server, std::string peer);

  // Moves what can be moved now, perhaps nothing. All three throw device_error when the peer is
  // gone or is not who it should be.
  std::size_t send_some(std::span<const std::byte> bytes, bool more_follows);
  std::size_t receive_some(std::span<std::byte> bytes);
  // Whether the handshake is done; in the clear it is from the start.
  bool shake_hands();

  int descriptor() const { return socket_.get(); }
  const std::string& peer() const { return peer_; }
  void call_peer(std::string name) { peer_ = std::move(name); }
  // Both sides' waiting ends, at once.
  void shut() noexcept;

 private:
  // What a call of OpenSSL moved.
  std::size_t moved(int result);
  [[noreturn]] void fail(const std::string& why) const;

  socket_handle socket_;
  ssl_ptr tls_;  // null: in the clear
  std::string peer_;
};

}  // namespace troupe
