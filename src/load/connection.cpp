#include "load/connection.hpp"

#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <type_traits>

#include "load/response_parser.hpp"

namespace troupe::load {
namespace {

namespace beast = boost::beast;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto waiting = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t read_bytes = 16U << 10;

using plain_stream = tcp::socket;
using tls_stream = ssl::stream<tcp::socket>;

plain_stream make_stream(asio::io_context& io, const target&, plain_stream*) {
  return plain_stream(io);
}
tls_stream make_stream(asio::io_context& io, const target& to, tls_stream*) {
  return tls_stream(io, *to.tls);
}

tcp::socket& socket_of(plain_stream& stream) { return stream; }
tcp::socket& socket_of(tls_stream& stream) { return stream.next_layer(); }

bool is_address(const std::string& host) {
  error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

template <class Stream>
asio::awaitable<std::string> connect(Stream& stream, const target& to) {
  auto [failed, end] = co_await asio::async_connect(socket_of(stream), to.addresses, waiting);
  if (failed) co_return "connect";
  error_code ignored;
  socket_of(stream).set_option(tcp::no_delay(true), ignored);
  if constexpr (std::is_same_v<Stream, tls_stream>) {
    auto& where = to.options.where;
    if (!is_address(where.host))
      SSL_set_tlsext_host_name(stream.native_handle(), where.host.c_str());
    if (to.options.verify_certificate)
      stream.set_verify_callback(ssl::host_name_verification(where.host), ignored);
    auto [refused] = co_await stream.async_handshake(ssl::stream_base::client, waiting);
    if (refused) co_return "tls";
  }
  co_return "";
}

template <class Stream>
class http_connection : public connection {
 public:
  http_connection(asio::io_context& io, const target& to, const run_clock& clock)
      : to_(to), clock_(clock), stream_(make_stream(io, to, static_cast<Stream*>(nullptr))) {}

  asio::awaitable<std::string> open() override { return connect(stream_, to_); }

  asio::awaitable<std::string> exchange(const std::string& message,
                                        answer_reader& answer) override {
    is_reusable_ = false;
    auto [unsent, sent_bytes] = co_await asio::async_write(stream_, asio::buffer(message), waiting);
    if (unsent) co_return "reset";
    double now = 0;
    response_parser parser(answer, now);
    error_code error;
    while (!parser.is_done()) {
      auto [unread, count] = co_await stream_.async_read_some(buffer_.prepare(read_bytes), waiting);
      now = clock_.now();
      if (unread) {
        // A body without a length ends with the connection.
        if (unread != asio::error::eof || !parser.got_some()) co_return "reset";
        parser.put_eof(error);
        if (error) co_return "reset";
        break;
      }
      buffer_.commit(count);
      answer.received_bytes += count;
      buffer_.consume(parser.put(buffer_.data(), error));
      if (error && error != beast::http::error::need_more) co_return "protocol";
    }
    answer.finish();
    is_reusable_ = parser.keep_alive() && buffer_.size() == 0;
    co_return "";
  }

  bool is_reusable() const override { return is_reusable_; }

  void close() override {
    error_code ignored;
    socket_of(stream_).close(ignored);
    is_reusable_ = false;
  }

 private:
  const target& to_;
  const run_clock& clock_;
  Stream stream_;
  beast::flat_buffer buffer_;
  bool is_reusable_ = false;
};

template <class Stream>
class websocket_connection : public connection {
 public:
  websocket_connection(asio::io_context& io, const target& to, const run_clock& clock)
      : to_(to), clock_(clock), stream_(make_stream(io, to, static_cast<Stream*>(nullptr))) {}

  asio::awaitable<std::string> open() override {
    auto failed = co_await connect(stream_.next_layer(), to_);
    if (!failed.empty()) co_return failed;
    auto& options = to_.options;
    stream_.set_option(
        beast::websocket::stream_base::decorator([&options](beast::websocket::request_type& head) {
          head.set(beast::http::field::user_agent, "troupe-bench/" TROUPE_VERSION);
          if (!options.bearer_token.empty())
            head.set(beast::http::field::authorization, "Bearer " + options.bearer_token);
        }));
    auto [refused] = co_await stream_.async_handshake(options.where.authority(),
                                                      options.where.path + "/ws", waiting);
    co_return refused ? "upgrade" : "";
  }

  asio::awaitable<std::string> exchange(const std::string& message,
                                        answer_reader& answer) override {
    is_reusable_ = false;
    auto [unsent, sent_bytes] = co_await stream_.async_write(asio::buffer(message), waiting);
    if (unsent) co_return "reset";
    bool is_over = false;
    while (!is_over) {
      buffer_.clear();
      auto [unread, count] = co_await stream_.async_read(buffer_, waiting);
      if (unread) co_return "reset";
      answer.received_bytes += count;
      auto bytes = buffer_.cdata();
      is_over = answer.frame({static_cast<const char*>(bytes.data()), bytes.size()}, clock_.now());
    }
    is_reusable_ = true;
    co_return "";
  }

  bool is_reusable() const override { return is_reusable_; }

  void close() override {
    error_code ignored;
    socket_of(stream_.next_layer()).close(ignored);
    is_reusable_ = false;
  }

 private:
  const target& to_;
  const run_clock& clock_;
  beast::websocket::stream<Stream> stream_;
  beast::flat_buffer buffer_;
  bool is_reusable_ = false;
};

failure unusable(const std::string& message, const char* field) {
  return {troupe::error_code::unavailable, message, field};
}

}  // namespace

outcome<target> find_target(const target_options& options) {
  target out{options, {}, nullptr};
  asio::io_context io;
  error_code error;
  tcp::resolver resolver(io);
  out.addresses = resolver.resolve(options.where.host, options.where.port, error);
  if (error)
    return unusable("cannot look up " + options.where.host + ": " + error.message(), "url");
  if (!options.where.is_tls) return out;
  out.tls = std::make_shared<ssl::context>(ssl::context::tls_client);
  out.tls->set_verify_mode(options.verify_certificate ? ssl::verify_peer : ssl::verify_none);
  if (options.ca_file.empty()) {
    out.tls->set_default_verify_paths(error);
  } else {
    out.tls->load_verify_file(options.ca_file, error);
  }
  if (error)
    return unusable("cannot read certificates of " + options.ca_file + ": " + error.message(),
                    "ca");
  return out;
}

std::unique_ptr<connection> make_connection(asio::io_context& io, const target& to,
                                            const run_clock& clock) {
  if (to.options.is_websocket && to.tls)
    return std::make_unique<websocket_connection<tls_stream>>(io, to, clock);
  if (to.options.is_websocket)
    return std::make_unique<websocket_connection<plain_stream>>(io, to, clock);
  if (to.tls) return std::make_unique<http_connection<tls_stream>>(io, to, clock);
  return std::make_unique<http_connection<plain_stream>>(io, to, clock);
}

}  // namespace troupe::load
