#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace troupe::test {
namespace {

constexpr int timeout_ms = 5000;

}  // namespace

std::string client_response::header(std::string_view name) const {
  auto at = head.find("\r\n" + std::string(name) + ": ");
  if (at == std::string::npos) return {};
  at += name.size() + 4;
  return head.substr(at, head.find("\r\n", at) - at);
}

client::client(std::uint16_t port, int receive_buffer_bytes)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer_bytes > 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  int one = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0)
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
}

client::~client() { close(); }

void client::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void client::reset() {
  linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void client::half_close() { ::shutdown(socket_, SHUT_WR); }

// A server that has closed already is seen when the answer is read.
void client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    auto num = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (num <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(num));
  }
}

bool client::read_some() {
  pollfd look{.fd = socket_, .events = POLLIN, .revents = 0};
  if (::poll(&look, 1, timeout_ms) <= 0) return false;
  char buffer[64 << 10];
  auto num = ::recv(socket_, buffer, sizeof buffer, 0);
  if (num <= 0) return false;
  input_.append(buffer, static_cast<std::size_t>(num));
  return true;
}

bool client::is_closed(std::chrono::milliseconds within) {
  auto deadline = std::chrono::steady_clock::now() + within;
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd look{.fd = socket_, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&look, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[4096];
    if (::recv(socket_, buffer, sizeof buffer, 0) <= 0) return true;
  }
}

bool client::read_until(std::string_view mark, std::size_t& end) {
  for (std::size_t from = 0;;) {
    auto at = input_.find(mark, from);
    if (at != std::string::npos) {
      end = at + mark.size();
      return true;
    }
    from = input_.size() - std::min(input_.size(), mark.size());
    if (!read_some()) return false;
  }
}

std::string client::take(std::size_t num_bytes) {
  auto out = input_.substr(0, num_bytes);
  input_.erase(0, num_bytes);
  return out;
}

std::string client::receive_until(std::string_view mark) {
  std::size_t end = 0;
  return read_until(mark, end) ? take(end) : std::string{};
}

client_response client::receive() {
  client_response out;
  out.head = receive_until("\r\n\r\n");
  if (out.head.size() < 13) return out;
  out.status = std::atoi(out.head.c_str() + 9);
  if (out.status == 100 || out.status == 204) return out;
  if (auto length = out.header("Content-Length"); !length.empty()) {
    auto num = static_cast<std::size_t>(std::atoll(length.c_str()));
    while (input_.size() < num && read_some()) {
    }
    out.body = take(num);
  } else if (out.header("Transfer-Encoding") == "chunked") {
    out.was_chunked = true;
    for (;;) {
      auto line = receive_until("\r\n");
      auto num = std::strtoul(line.c_str(), nullptr, 16);
      while (input_.size() < num + 2 && read_some()) {
      }
      out.body += take(num);
      take(2);
      if (num == 0) break;
    }
  } else {
    while (read_some()) {
    }
    out.body = take(input_.size());
  }
  return out;
}

client_response client::get(std::string_view path) {
  send("GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n\r\n");
  return receive();
}

std::string client::post_text(std::string_view path, std::string_view json,
                              std::string_view more_headers) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" +
         std::string(more_headers) + "Content-Length: " + std::to_string(json.size()) + "\r\n\r\n" +
         std::string(json);
}

client_response client::post(std::string_view path, std::string_view json) {
  send(post_text(path, json));
  return receive();
}

}  // namespace troupe::test
