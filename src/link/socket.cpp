#include "link/socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace troupe {
namespace {

constexpr int backlog = 64;

failure refuse(const std::string& what, const std::string& why) {
  return {error_code::io_error, what + ": " + why};
}

failure refuse_by_system(const std::string& what) { return refuse(what, std::strerror(errno)); }

using address_list = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

outcome<address_list> look_up(const std::string& host, std::uint16_t port, int kind) {
  addrinfo wanted{};
  wanted.ai_socktype = kind;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (status != 0) return refuse("no address of " + host, gai_strerror(status));
  return address_list(found, &freeaddrinfo);
}

outcome<socket_handle> make_socket(const addrinfo& where) {
  socket_handle made(
      ::socket(where.ai_family, where.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made) return refuse_by_system("no socket");
  return made;
}

// Exchanges are small and waited for: nothing is held back to be sent with what comes later.
void send_at_once(const socket_handle& socket) {
  const int yes = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

outcome<socket_place> read_name(const socket_handle& socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0)
    return refuse_by_system("no name of a socket");
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const int status =
      getnameinfo(reinterpret_cast<const sockaddr*>(&name), size, host.data(), host.size(),
                  port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV);
  if (status != 0) return refuse("no name of a socket", gai_strerror(status));
  return socket_place{host.data(), static_cast<std::uint16_t>(std::stoul(port.data()))};
}

}  // namespace

socket_handle::~socket_handle() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

outcome<socket_place> read_place(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const bool has_port =
      colon != std::string::npos && colon + 1 < text.size() &&
      std::from_chars(text.data() + colon + 1, end, port) == std::from_chars_result{end, {}};
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!has_port || host.empty())
    return failure{error_code::invalid_argument,
                   "expected HOST:PORT such as 127.0.0.1:7070 or [::1]:7070: " + text};
  return socket_place{host, port};
}

std::string to_text(const socket_place& place) {
  const bool has_colon = place.host.find(':') != std::string::npos;
  return (has_colon ? "[" + place.host + "]" : place.host) + ":" + std::to_string(place.port);
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

outcome<std::string> find_own_address(const std::string& host) {
  constexpr std::uint16_t any_port = 9;  // a datagram socket has no peer; it only picks a route
  auto found = look_up(host, any_port, SOCK_DGRAM);
  if (!found) return found.error();
  auto made = make_socket(**found);
  if (!made) return made.error();
  if (::connect(made->get(), (*found)->ai_addr, (*found)->ai_addrlen) != 0)
    return refuse_by_system("no way to " + host);
  auto name = read_name(*made);
  if (!name) return name.error();
  return name->host;
}

outcome<socket_handle> open_listener(const std::string& address) {
  auto found = look_up(address, 0, SOCK_STREAM);
  if (!found) return found.error();
  auto made = make_socket(**found);
  if (!made) return made.error();
  if (::bind(made->get(), (*found)->ai_addr, (*found)->ai_addrlen) != 0 ||
      ::listen(made->get(), backlog) != 0)
    return refuse_by_system("cannot listen at " + address);
  return made;
}

outcome<socket_place> place_of(const socket_handle& listener) { return read_name(listener); }

socket_handle accept_next(const socket_handle& listener) {
  socket_handle who(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (who) send_at_once(who);
  return who;
}

outcome<socket_handle> begin_connect(const socket_place& place) {
  auto found = look_up(place.host, place.port, SOCK_STREAM);
  if (!found) return found.error();
  auto made = make_socket(**found);
  if (!made) return made.error();
  send_at_once(*made);
  if (::connect(made->get(), (*found)->ai_addr, (*found)->ai_addrlen) != 0 && errno != EINPROGRESS)
    return refuse_by_system("cannot reach " + to_text(place));
  return made;
}

refusal has_arrived(const socket_handle& connecting) {
  int status = 0;
  socklen_t size = sizeof status;
  if (getsockopt(connecting.get(), SOL_SOCKET, SO_ERROR, &status, &size) != 0) status = errno;
  if (status == 0) return nothing{};
  return failure{error_code::io_error, std::strerror(status)};
}

outcome<std::pair<socket_handle, socket_handle>> make_pair_of_sockets() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return refuse_by_system("no pair of sockets");
  return std::pair{socket_handle(ends[0]), socket_handle(ends[1])};
}

}  // namespace troupe
