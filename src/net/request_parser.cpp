#include "net/request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace troupe {
namespace {

namespace http = boost::beast::http;

using beast_parser = http::request_parser<http::string_body>;
using fields = beast_parser::value_type;

constexpr std::string_view end_of_head = "\r\n\r\n";

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

http_error refuse(int status, std::string message, std::string code) {
  return {.status = status, .message = std::move(message), .code = std::move(code)};
}

http_error bad_request(std::string message) {
  return refuse(400, std::move(message), "malformed_request");
}

http_error too_large_body(std::uint64_t limit) {
  return refuse(413, "the body is longer than " + std::to_string(limit) + " bytes",
                "body_too_large");
}

// The first line ends with "HTTP/" and a version, whichever.
bool names_version(std::string_view head) {
  constexpr std::string_view name = " HTTP/";
  auto line = head.substr(0, head.find("\r\n"));
  auto at = line.rfind(name);
  if (at == std::string_view::npos) return false;
  auto version = line.substr(at + name.size());
  auto is_plain = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
  return !version.empty() && std::ranges::all_of(version, is_plain);
}

std::optional<http_error> check_transfer_encoding(const fields& head) {
  auto num_codings = head.count(http::field::transfer_encoding);
  if (num_codings == 0) return std::nullopt;
  if (head.version() < 11)
    return bad_request("an HTTP/1.0 request must not have a Transfer-Encoding");
  auto coding = view(head[http::field::transfer_encoding]);
  if (num_codings > 1 || !equals_ignoring_case(coding, "chunked"))
    return refuse(501, "the only Transfer-Encoding that is understood is: chunked",
                  "unsupported_transfer_encoding");
  if (head.count(http::field::content_length) > 0)
    return bad_request("the request has both a Content-Length and a Transfer-Encoding");
  return std::nullopt;
}

// Of a name, an address and a port; whoever puts it into a link or a log must be safe.
bool is_host_letter(char c) {
  constexpr std::string_view marks = "-._~%!$&'()*+,;=:[]";
  bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_plain || marks.find(c) != std::string_view::npos;
}

std::optional<http_error> check_host(const fields& head) {
  auto num_hosts = head.count(http::field::host);
  if (num_hosts > 1) return bad_request("the request has more than one Host header");
  if (num_hosts == 0 && head.version() >= 11)
    return bad_request("an HTTP/1.1 request needs a Host header");
  if (!std::ranges::all_of(view(head[http::field::host]), is_host_letter))
    return bad_request("the Host header is no host");
  return std::nullopt;
}

std::optional<http_error> check_target(std::string_view target) {
  if (target.empty() || target[0] != '/')
    return bad_request("the request target must be a path that begins with '/'");
  auto is_plain = [](char c) { return c > 0x20 && c < 0x7f; };
  if (!std::ranges::all_of(target, is_plain))
    return bad_request("the request target may hold printable ASCII characters only");
  return std::nullopt;
}

std::optional<http_error> check_expect(const fields& head) {
  auto num_expected = head.count(http::field::expect);
  if (num_expected == 0) return std::nullopt;
  if (num_expected > 1 || !equals_ignoring_case(view(head[http::field::expect]), "100-continue"))
    return refuse(417, "the only expectation that is met is: 100-continue", "unknown_expectation");
  return std::nullopt;
}

// All but the body.
http_request read_head(const beast_parser::value_type& message) {
  http_request out;
  out.method = view(message.method_string());
  auto target = view(message.target());
  auto mark = std::min(target.find('?'), target.size());
  out.path = target.substr(0, mark);
  if (mark < target.size()) out.query = target.substr(mark + 1);
  for (auto& field : message)
    out.headers.emplace_back(view(field.name_string()), view(field.value()));
  out.is_http_1_0 = message.version() < 11;
  out.keep_alive = message.keep_alive();
  return out;
}

}  // namespace

struct request_parser::state {
  explicit state(parser_limits bounds) : limits(bounds) {
    parser.header_limit(static_cast<std::uint32_t>(limits.max_head_bytes));
    parser.body_limit(limits.max_body_bytes);
  }

  void fail(http_error why) { error = std::move(why); }

  // Searches only what is new; returns the length of the head, or 0 while it is incomplete.
  std::size_t find_head(std::string_view bytes) {
    auto from = std::min(num_searched, bytes.size());
    auto at = bytes.find(end_of_head, from);
    if (at != std::string_view::npos && at + end_of_head.size() <= limits.max_head_bytes)
      return at + end_of_head.size();
    if (bytes.size() >= limits.max_head_bytes)
      fail_long_head(bytes);
    else
      num_searched = bytes.size() - std::min(bytes.size(), end_of_head.size() - 1);
    return 0;
  }

  void fail_long_head(std::string_view bytes) {
    auto limit = std::to_string(limits.max_head_bytes) + " bytes";
    if (bytes.substr(0, limits.max_head_bytes).find("\r\n") == std::string_view::npos)
      fail(refuse(414, "the request line is longer than " + limit, "target_too_long"));
    else
      fail(refuse(431, "the request's head is longer than " + limit, "headers_too_large"));
  }

  std::size_t put_head(std::string_view bytes) {
    auto num_bytes = find_head(bytes);
    if (num_bytes == 0) {
      refuse_early(bytes);
      return 0;
    }
    auto head = bytes.substr(0, num_bytes);
    if (head.find("\r\n ") != std::string_view::npos ||
        head.find("\r\n\t") != std::string_view::npos) {
      fail(bad_request("a header goes on in the next line"));
      return 0;
    }
    auto taken = put_bytes(head);
    if (error && error->status == 413) {
      note_refused_body();
      return num_bytes;
    }
    if (error) return taken;
    if (!parser.is_header_done())
      fail(bad_request("the request's head is malformed"));
    else
      check_head();
    if (!error) message = read_head(parser.get());
    parser.eager(true);
    return taken;
  }

  // Only a body whose length is written in digits and that is on its way can be skipped.
  void note_refused_body() {
    auto& head = parser.get();
    auto length = view(head[http::field::content_length]);
    std::uint64_t num_bytes = 0;
    auto end = length.data() + length.size();
    auto parsed = std::from_chars(length.data(), end, num_bytes);
    bool is_plain = parsed.ec == std::errc{} && parsed.ptr == end;
    if (is_plain && head.count(http::field::content_length) == 1 &&
        head.count(http::field::transfer_encoding) == 0 && head.count(http::field::expect) == 0)
      num_refused_bytes = num_bytes;
  }

  // A client that speaks no HTTP at all (TLS, HTTP/2) hears so at once, not after the timeout.
  void refuse_early(std::string_view bytes) {
    if (error || bytes.empty()) return;
    auto is_token = [](char c) { return c > 0x20 && c < 0x7f; };
    auto method = bytes.substr(0, bytes.find(' '));
    if (!std::ranges::all_of(method, is_token))
      fail(bad_request("the request line does not begin with a method"));
  }

  void check_head() {
    auto& head = parser.get();
    auto num_headers = static_cast<std::size_t>(std::distance(head.begin(), head.end()));
    if (num_headers > limits.max_headers)
      fail(refuse(431,
                  "the request has more than " + std::to_string(limits.max_headers) + " headers",
                  "too_many_headers"));
    else if (auto wrong = check_transfer_encoding(head))
      fail(*std::move(wrong));
    else if (auto no_host = check_host(head))
      fail(*std::move(no_host));
    else if (auto no_path = check_target(view(head.target())))
      fail(*std::move(no_path));
    else if (auto too_much = check_expect(head))
      fail(*std::move(too_much));
  }

  std::size_t put_bytes(std::string_view bytes) {
    boost::beast::error_code why;
    auto taken = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), why);
    if (!why || why == http::error::need_more) return taken;
    if (why == http::error::body_limit)
      fail(too_large_body(limits.max_body_bytes));
    else if (why == http::error::bad_version && names_version(bytes))
      fail(refuse(505, "the only versions that are spoken are HTTP/1.1 and HTTP/1.0",
                  "unsupported_version"));
    else
      fail(bad_request("the request is malformed: " + why.message()));
    return taken;
  }

  // What frames a chunk (its size with extensions, the trailers) comes to Beast whole or not at
  // all, and costs no more than a head. The window makes that independent of how the bytes arrive.
  std::size_t put_body(std::string_view bytes) {
    auto window = bytes.substr(0, parser.chunked() ? limits.max_head_bytes : bytes.size());
    auto taken = put_bytes(window);
    if (!error && taken == 0 && window.size() == limits.max_head_bytes)
      fail(bad_request("the framing of a chunk is longer than " +
                       std::to_string(limits.max_head_bytes) + " bytes"));
    return taken;
  }

  parser_limits limits;
  beast_parser parser;
  http_request message;  // what the head said: trailers come too late to be believed
  std::size_t num_searched = 0;
  std::optional<http_error> error;
  std::optional<std::uint64_t> num_refused_bytes;
};

request_parser::request_parser(parser_limits limits) : state_(std::make_unique<state>(limits)) {}
request_parser::~request_parser() = default;

std::size_t request_parser::put(std::string_view bytes) {
  auto& s = *state_;
  std::size_t taken = 0;
  if (s.error) return 0;
  if (!s.parser.is_header_done()) taken = s.put_head(bytes);
  if (!s.parser.is_header_done()) return taken;
  // The shortest end of a chunked body; Beast asserts that it is never asked about less.
  auto least = s.parser.chunked() ? std::string_view("0\r\n\r\n").size() : 1;
  while (!s.error && !s.parser.is_done() && bytes.size() - taken >= least) {
    auto step = s.put_body(bytes.substr(taken));
    taken += step;
    if (step == 0) break;
  }
  return taken;
}

bool request_parser::has_head() const { return state_->parser.is_header_done(); }
bool request_parser::is_done() const { return state_->parser.is_done(); }
const std::optional<http_error>& request_parser::error() const { return state_->error; }

std::optional<std::uint64_t> request_parser::num_refused_bytes() const {
  return state_->num_refused_bytes;
}

bool request_parser::expects_continue() const {
  return has_head() && state_->parser.get().count(http::field::expect) > 0;
}

std::optional<std::uint64_t> request_parser::num_missing_bytes() const {
  auto left = state_->parser.content_length_remaining();
  if (!left || expects_continue()) return std::nullopt;
  return *left;
}

const http_request& request_parser::head() const { return state_->message; }

std::size_t request_parser::num_body_bytes() const {
  return has_head() ? state_->parser.get().body().size() : 0;
}

http_request request_parser::take() {
  auto out = std::move(state_->message);
  out.body = std::move(state_->parser.get().body());
  return out;
}

}  // namespace troupe
