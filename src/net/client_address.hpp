// Who the client is when proxies stand between. What a request says about its way is believed only
// as far as the proxies that said it are trusted. Pure.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "net/http_message.hpp"

namespace troupe {

namespace asio = boost::asio;

class network {
 public:
  // "10.0.0.0/8", "fd00::/8", or one address; nothing for anything else.
  static std::optional<network> parse(std::string_view text);
  bool contains(const asio::ip::address& address) const;

 private:
  std::array<unsigned char, 16> bytes_{};  // IPv4 as IPv6 has it: ::ffff:a.b.c.d
  unsigned num_bits_ = 128;
};

bool is_among(std::span<const network> networks, const asio::ip::address& address);

// IPv4 in IPv6 clothes becomes IPv4; a zone is dropped.
asio::ip::address plain_address(const asio::ip::address& address);

// The rightmost address of X-Forwarded-For that is no trusted proxy, beginning with the peer
// itself. What no proxy can have meant (garbage) ends the way there.
asio::ip::address client_address(const asio::ip::address& peer,
                                 std::span<const http_header> headers,
                                 std::span<const network> trusted);
// X-Forwarded-Proto of a trusted proxy is https.
bool came_encrypted(const asio::ip::address& peer, std::span<const http_header> headers,
                    std::span<const network> trusted);

// What limits per client count by: an IPv4 address, or the /64 that one IPv6 customer has.
std::string address_key(const asio::ip::address& address);

}  // namespace troupe
