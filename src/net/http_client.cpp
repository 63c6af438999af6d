#include "net/http_client.hpp"

#include <openssl/ssl.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <algorithm>
#include <memory>
#include <optional>

namespace troupe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::steady_clock;

constexpr std::uint32_t max_head_bytes = 64U << 10;

bool is_address(const std::string& host) {
  error_code none;
  asio::ip::make_address(host, none);
  return !none;
}

// One call from its connection to its last byte. Every operation is started and waited for here,
// with its deadline and with an eye on cancel_fd.
class one_call {
 public:
  one_call(const http_url& where, const client_options& options, const http_call& call)
      : where_(where), options_(options), call_(call) {}
  ~one_call() {
    if (cancel_) cancel_->release();
  }
  one_call(const one_call&) = delete;
  one_call& operator=(const one_call&) = delete;

  outcome<http_answer> run(const body_reader& on_body) {
    if (auto ready = make_stream(); !ready) return ready.error();
    watch_cancel();
    connect_by_ = std::min(steady_clock::now() + options_.connect_timeout, call_.deadline);
    if (auto error = connect()) return ended("connect to", error);
    if (!where_.is_tls) return talk(stream_->next_layer(), on_body);
    if (auto error = shake_hands()) return ended("make a secure connection to", error);
    return talk(*stream_, on_body);
  }

 private:
  // Starts an operation with a handler, and runs everything until that was called.
  template <class Start>
  error_code wait(Start start) {
    std::optional<error_code> result;
    start([&result](error_code error, auto&&...) { result = error; });
    io_.restart();  // it stops whenever nothing was left to do
    while (!result) io_.run_one();
    return *result;
  }

  refusal make_stream() {
    error_code error;
    tls_.set_verify_mode(options_.verify_certificate ? ssl::verify_peer : ssl::verify_none);
    if (where_.is_tls && options_.ca_file.empty()) tls_.set_default_verify_paths(error);
    if (where_.is_tls && !options_.ca_file.empty()) tls_.load_verify_file(options_.ca_file, error);
    if (error)
      return failure{error_code_of(error),
                     "cannot read certificates of " + options_.ca_file + ": " + error.message(),
                     "ca"};
    stream_.emplace(io_, tls_);
    return nothing{};
  }

  void watch_cancel() {
    if (options_.cancel_fd < 0) return;
    cancel_.emplace(io_, options_.cancel_fd);
    cancel_->async_wait(asio::posix::stream_descriptor::wait_read, [this](error_code error) {
      if (error) return;
      is_cancelled_ = true;
      resolver_.cancel();
      stream_->next_layer().close();
    });
  }

  error_code connect() {
    tcp::resolver::results_type found;
    auto resolved = wait([&](auto done) {
      resolver_.async_resolve(where_.host, where_.port,
                              [&found, done](error_code error, tcp::resolver::results_type all) {
                                found = std::move(all);
                                done(error);
                              });
    });
    if (resolved || is_cancelled_) return resolved ? resolved : asio::error::operation_aborted;
    auto& socket = stream_->next_layer();
    socket.expires_at(connect_by_);
    auto error = wait([&](auto done) { socket.async_connect(found, done); });
    if (!error) socket.socket().set_option(tcp::no_delay(true));
    return error;
  }

  error_code shake_hands() {
    error_code error;
    auto* handle = stream_->native_handle();
    if (!is_address(where_.host)) SSL_set_tlsext_host_name(handle, where_.host.c_str());
    if (options_.verify_certificate)
      stream_->set_verify_callback(ssl::host_name_verification(where_.host), error);
    if (error) return error;
    stream_->next_layer().expires_at(connect_by_);
    return wait([&](auto done) { stream_->async_handshake(ssl::stream_base::client, done); });
  }

  http::request<http::string_body> request() const {
    http::request<http::string_body> out{http::string_to_verb(call_.method),
                                         where_.path + call_.target, 11};
    out.set(http::field::host, where_.authority());
    out.set(http::field::user_agent, "troupe/" TROUPE_VERSION);
    out.set(http::field::connection, "close");
    if (!options_.bearer_token.empty())
      out.set(http::field::authorization, "Bearer " + options_.bearer_token);
    if (!call_.json.empty()) out.set(http::field::content_type, "application/json");
    out.body() = call_.json;
    out.prepare_payload();
    return out;
  }

  void arm() {
    stream_->next_layer().expires_at(
        std::min(steady_clock::now() + options_.idle_timeout, call_.deadline));
  }

  template <class Stream>
  outcome<http_answer> talk(Stream& stream, const body_reader& on_body) {
    auto message = request();
    arm();
    auto sent = wait([&](auto done) { http::async_write(stream, message, done); });
    if (sent) return ended("send to", sent);
    http::response_parser<http::buffer_body> parser;
    parser.header_limit(max_head_bytes);
    parser.body_limit(boost::none);
    beast::flat_buffer buffer;
    arm();
    auto read = wait([&](auto done) { http::async_read_header(stream, buffer, parser, done); });
    if (read) return ended("read from", read);
    http_answer answer{.status = parser.get().result_int(),
                       .content_type = parser.get()[http::field::content_type]};
    char piece[16 << 10];
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body = {piece, sizeof piece, true};
      arm();
      auto error = wait([&](auto done) { http::async_read_some(stream, buffer, parser, done); });
      std::string_view bytes{piece, sizeof piece - body.size};
      if (!bytes.empty() && !on_body(answer, bytes)) return answer;
      if (error && error != http::error::need_buffer && !parser.is_done())
        return ended("read from", error, answer);
    }
    answer.is_whole = true;
    return answer;
  }

  static troupe::error_code error_code_of(error_code error) {
    return error == beast::error::timeout ? troupe::error_code::timed_out
                                          : troupe::error_code::io_error;
  }

  outcome<http_answer> ended(std::string_view doing, error_code error,
                             const http_answer& so_far = {}) {
    if (is_cancelled_) return so_far;
    std::string why = "cannot ";
    why.append(doing).append(1, ' ').append(where_.host).append(1, ':').append(where_.port);
    why.append(": ").append(reason(error));
    return failure{error_code_of(error), std::move(why), ""};
  }

  std::string reason(error_code error) {
    if (error == beast::error::timeout) return "it took too long";
    if (error == http::error::end_of_stream || error == http::error::partial_message)
      return "it closed the connection before its answer was whole";
    if (auto verdict = SSL_get_verify_result(stream_->native_handle());
        verdict != X509_V_OK && options_.verify_certificate && where_.is_tls)
      return std::string("its certificate is not trusted: ") +
             X509_verify_cert_error_string(verdict);
    return error.message();
  }

  const http_url& where_;
  const client_options& options_;
  const http_call& call_;
  asio::io_context io_;
  tcp::resolver resolver_{io_};
  ssl::context tls_{ssl::context::tls_client};
  std::optional<ssl::stream<beast::tcp_stream>> stream_;  // plain calls use its lower layer
  std::optional<asio::posix::stream_descriptor> cancel_;
  steady_clock::time_point connect_by_;
  bool is_cancelled_ = false;
};

}  // namespace

outcome<http_answer> call_server(const http_url& where, const client_options& options,
                                 const http_call& call, const body_reader& on_body) {
  one_call one(where, options, call);
  return one.run(on_body);
}

}  // namespace troupe
