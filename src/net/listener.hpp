// Accepts connections while there is a permit for one more, and starts a session for each.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/outcome.hpp"
#include "net/address_count.hpp"
#include "net/server_context.hpp"
#include "net/strand_event.hpp"

namespace troupe {

class listener : public std::enable_shared_from_this<listener> {
 public:
  listener(asio::io_context& io, server_context& house);

  // Binds to the address and begins to accept.
  refusal start();
  std::uint16_t port() const { return port_; }
  // From any thread. The port is free again soon after.
  void stop();
  // As well: the level of overload has changed.
  void look_again();

 private:
  asio::any_io_executor make_home();
  asio::awaitable<void> accept_all();
  asio::awaitable<void> rest_after(const boost::system::error_code& why);
  bool has_room() const;
  void begin_session(asio::ip::tcp::socket socket);
  // What the limit per address counts it by; empty where there is none.
  std::string limited_address(const asio::ip::tcp::socket& socket) const;
  void turn_away(asio::ip::tcp::socket socket);

  asio::io_context& io_;
  server_context& house_;
  asio::any_io_executor strand_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  strand_event permit_returned_;
  std::size_t num_connections_ = 0;
  std::size_t num_hurried_ = 0;  // of these, accepted while accepting paused
  address_count addresses_;
  std::uint16_t port_ = 0;
  bool is_failing_ = false;
};

}  // namespace troupe
