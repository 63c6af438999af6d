// Where the ranks of several processes find each other: every process has a door, at which those
// of higher ranks knock. A knock shows the meeting's token and is answered with it, so that
// neither side talks to a stranger; over TLS both show certificates, too.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "link/byte_link.hpp"
#include "model/communicator.hpp"

namespace troupe {

// The ranks of this process. Every process has as many.
struct local_ranks {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  std::uint32_t size = 1;  // of the whole group
};

class rank_door {
 public:
  // At a free port of the address that peers of `host` see. Without `identity` in the clear, which
  // is for the loopback interface only: refused elsewhere.
  static outcome<std::shared_ptr<rank_door>> open(const std::string& host,
                                                  std::shared_ptr<const tls_identity> identity);
  // HOST:PORT
  const std::string& place() const { return place_; }

  // The communicators of the local ranks, joined with those of the other processes. Blocks until
  // all have come. Throws device_error if they do not within `patience`, or when the meeting is
  // aborted. Whoever knocks without the token is sent away.
  std::vector<std::unique_ptr<host_communicator>> meet(const rank_meeting& meeting,
                                                       const local_ranks& here,
                                                       std::chrono::milliseconds patience);

 private:
  rank_door(socket_handle listener, std::string place, std::shared_ptr<const tls_identity> identity)
      : listener_(std::move(listener)), place_(std::move(place)), identity_(std::move(identity)) {}

  socket_handle listener_;
  std::string place_;
  std::shared_ptr<const tls_identity> identity_;  // null: in the clear
};

}  // namespace troupe
