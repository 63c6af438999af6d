#include "net/websocket.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <array>
#include <utility>

#include "net/tls.hpp"

namespace troupe {
namespace {

namespace beast = boost::beast;
using error = boost::system::error_code;

constexpr auto await_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t tls_record_bytes = 16 << 10;
constexpr std::size_t read_bytes = 16 << 10;
constexpr std::size_t max_held_bytes = 16 << 10;

// What Beast reads and writes: the connection's socket, plain or with TLS. While it holds bytes
// back, whatever Beast writes, its own pongs included, waits in order for whoever flushes.
class wire_stream {
 public:
  using executor_type = asio::any_io_executor;

  explicit wire_stream(connection& line) : line_(line) {}
  executor_type get_executor() { return line_.strand(); }
  connection& line() { return line_; }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (auto& ahead = line_.ahead(); !ahead.empty()) {
      auto num_bytes = asio::buffer_copy(buffers, asio::buffer(ahead));
      ahead.erase(0, num_bytes);
      asio::post(get_executor(),
                 beast::bind_front_handler(std::forward<Handler>(handler), error{}, num_bytes));
    } else if (auto* tls = line_.tls()) {
      tls->stream.async_read_some(buffers, std::forward<Handler>(handler));
    } else {
      line_.socket().async_read_some(buffers, std::forward<Handler>(handler));
    }
  }

  // TLS would make a record, and a packet, of each buffer: the head of a frame and its text.
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (holds_back_) {
      auto num_bytes = asio::buffer_size(buffers);
      auto size = held_.size();
      held_.resize(size + num_bytes);
      asio::buffer_copy(asio::buffer(held_.data() + size, num_bytes), buffers);
      asio::post(get_executor(),
                 beast::bind_front_handler(std::forward<Handler>(handler), error{}, num_bytes));
    } else if (auto* tls = line_.tls()) {
      record_.resize(tls_record_bytes);
      record_.resize(asio::buffer_copy(asio::buffer(record_), buffers));
      tls->stream.async_write_some(asio::buffer(std::as_const(record_)),
                                   std::forward<Handler>(handler));
    } else {
      line_.socket().async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

  void hold_back() { holds_back_ = true; }
  std::size_t num_held() const { return held_.size(); }
  std::string take_held() { return std::exchange(held_, {}); }
  // Everything that was held has been written.
  void let_pass() { holds_back_ = false; }

  friend void beast_close_socket(wire_stream& stream) { stream.line_.abort(); }
  // The session closes the connection.
  template <class Handler>
  friend void async_teardown(beast::role_type, wire_stream& stream, Handler&& handler) {
    asio::post(stream.get_executor(),
               beast::bind_front_handler(std::forward<Handler>(handler), error{}));
  }
  friend void teardown(beast::role_type, wire_stream&, error&) {}

 private:
  connection& line_;
  std::string record_;
  std::string held_;
  bool holds_back_ = false;
};

using socket_stream = beast::websocket::stream<wire_stream, true>;

beast::http::request<beast::http::string_body> to_beast(const http_request& request) {
  beast::http::request<beast::http::string_body> out;
  out.method(beast::http::verb::get);
  out.target(request.path);
  for (auto& [name, value] : request.headers) out.insert(name, value);
  return out;
}

}  // namespace

struct websocket::state {
  state(connection& line, websocket_options how) : options(how), stream(line) {
    using base = beast::websocket::stream_base;
    base::timeout times{.handshake_timeout = options.close_timeout,
                        .idle_timeout = options.idle_timeout,
                        .keep_alive_pings = true};
    stream.set_option(times);
    // A window of 4 KiB and little state: the messages are short, the connections many.
    beast::websocket::permessage_deflate deflate;
    deflate.server_enable = options.compression;
    deflate.server_max_window_bits = 12;
    deflate.memLevel = 4;
    stream.set_option(deflate);
    stream.read_message_max(options.max_message_bytes);
    stream.auto_fragment(false);
    stream.text(true);
  }
  ~state() { give_back(); }

  bool hold(std::size_t num_bytes) {
    if (options.num_held_bytes == nullptr) return true;
    num_held += num_bytes;
    return options.num_held_bytes->fetch_add(num_bytes) + num_bytes <= options.max_held_bytes;
  }

  void give_back() {
    if (options.num_held_bytes != nullptr) options.num_held_bytes->fetch_sub(num_held);
    num_held = 0;
  }

  connection& line() { return stream.next_layer().line(); }

  websocket_options options;
  socket_stream stream;
  std::uint64_t num_held = 0;
};

websocket::websocket(connection& line, websocket_options options)
    : state_(std::make_unique<state>(line, options)) {}

websocket::~websocket() = default;

asio::awaitable<bool> websocket::accept(const http_request& request,
                                        std::vector<http_header> headers) {
  using base = beast::websocket::stream_base;
  auto decorate = [&headers](beast::websocket::response_type& response) {
    for (auto& [name, value] : headers) response.set(name, value);
  };
  state_->stream.set_option(base::decorator(decorate));
  auto upgrade = to_beast(request);
  auto result = co_await state_->stream.async_accept(upgrade, await_tuple);
  state_->stream.set_option(base::decorator([](beast::websocket::response_type&) {}));
  co_return !std::get<0>(result);
}

asio::awaitable<bool> websocket::receive(std::string& message) {
  auto& s = *state_;
  s.give_back();
  message.clear();
  // The gate may have watched over the client while the upgrade waited its turn.
  co_await s.line().settle_watch();
  for (bool is_done = false; !is_done;) {
    beast::flat_buffer stretch;
    auto result = co_await s.stream.async_read_some(stretch, read_bytes, await_tuple);
    if (std::get<0>(result)) co_return false;
    auto bytes = stretch.data();
    message.append(static_cast<const char*>(bytes.data()), bytes.size());
    is_done = s.stream.is_message_done();
    bool has_room = s.hold(bytes.size());
    if (s.stream.got_text() && has_room) continue;
    auto code = has_room ? close_code::unknown_data : close_code::try_again_later;
    co_await close(code, has_room ? "text messages only" : "too many bytes of messages");
    co_return false;
  }
  co_return true;
}

asio::awaitable<bool> websocket::send(std::string_view message) {
  auto& s = *state_;
  s.line().arm(std::chrono::steady_clock::now() + s.options.write_timeout);
  auto buffer = asio::buffer(message);
  auto result = co_await s.stream.async_write(buffer, await_tuple);
  s.line().disarm();
  if (!std::get<0>(result)) co_return true;
  // Beast may have said why it closes, behind what is held back.
  co_await flush();
  s.line().abort();
  co_return false;
}

asio::awaitable<bool> websocket::send_with_next(std::string_view message) {
  auto& s = *state_;
  s.stream.next_layer().hold_back();
  bool was_taken = co_await send(message);
  if (was_taken && s.stream.next_layer().num_held() >= max_held_bytes) was_taken = co_await flush();
  co_return was_taken;
}

asio::awaitable<bool> websocket::flush() {
  auto& wire = state_->stream.next_layer();
  while (wire.num_held() > 0) {
    auto bytes = wire.take_held();
    auto result = co_await wire.line().write(bytes, state_->options.write_timeout);
    if (result == io_result::done) continue;
    wire.line().abort();
    co_return false;
  }
  wire.let_pass();
  co_return true;
}

asio::awaitable<void> websocket::close(close_code code, std::string_view reason) {
  beast::websocket::close_reason why(static_cast<beast::websocket::close_code>(code),
                                     beast::string_view(reason.data(), reason.size()));
  co_await state_->stream.async_close(why, await_tuple);
}

void websocket::abort() { state_->line().abort(); }

}  // namespace troupe
