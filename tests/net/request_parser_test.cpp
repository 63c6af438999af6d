// What the parser takes and refuses, byte by byte and all at once.
#include "net/request_parser.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

namespace troupe {
namespace {

struct parsed {
  int status = 0;  // 0: fine
  bool is_done = false;
  http_request request;
  std::string rest;
};

// Feeds `step` bytes at a time, as a connection would.
parsed parse(const std::string& bytes, std::size_t step, parser_limits limits = {}) {
  request_parser parser(limits);
  std::string input;
  for (std::size_t at = 0; at < bytes.size() && !parser.is_done() && !parser.error(); at += step) {
    input += bytes.substr(at, step);
    input.erase(0, parser.put(input));
    if (parser.is_done()) input += bytes.substr(std::min(bytes.size(), at + step));
  }
  parsed out;
  if (parser.error()) {
    out.status = parser.error()->status;
    CHECK_FALSE(parser.error()->message.empty());
    return out;
  }
  out.is_done = parser.is_done();
  if (out.is_done) out.request = parser.take();
  out.rest = input;
  return out;
}

struct row {
  const char* what;
  std::string bytes;
  int status;  // 0: fine
};

const std::string get = "GET /a HTTP/1.1\r\nHost: h\r\n";
const std::string post = "POST /a HTTP/1.1\r\nHost: h\r\n";

TEST_CASE("strict where a second reader might see another message") {
  const std::vector<row> rows{
      {"plain", get + "\r\n", 0},
      {"1.0 without a Host", "GET /a HTTP/1.0\r\n\r\n", 0},
      {"query", "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"chunked", post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0},
      {"chunked, other case", post + "transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", 0},
      {"no Host", "GET /a HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", get + "Host: h\r\n\r\n", 400},
      {"a strange Host", "GET /a HTTP/1.1\r\nHost: h/<b>\r\n\r\n", 400},
      {"a Host with a blank", "GET /a HTTP/1.1\r\nHost: h g\r\n\r\n", 400},
      {"a Host of IPv6", "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
      {"an empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", 0},
      {"folded header", get + "X: a\r\n b\r\n\r\n", 400},
      {"folded by a tab", get + "X: a\r\n\tb\r\n\r\n", 400},
      {"xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
      {"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"chunked, identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n", 501},
      {"two codings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"coding with 1.0", "POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"length and coding", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"the same length twice", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 0},
      {"the same length in a list", post + "Content-Length: 2, 2\r\n\r\n{}", 0},
      {"other lengths in a list", post + "Content-Length: 2, 3\r\n\r\n{}", 400},
      {"length in hexadecimal", post + "Content-Length: 0x2\r\n\r\n{}", 400},
      {"empty length", post + "Content-Length: \r\n\r\n", 400},
      {"empty coding", post + "Transfer-Encoding: \r\n\r\n", 501},
      {"coding and a comma", post + "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 501},
      {"length in a trailer",
       post + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
      {"negative length", post + "Content-Length: -1\r\n\r\n", 400},
      {"length with a sign", post + "Content-Length: +1\r\n\r\na", 400},
      {"huge length", post + "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {"bare LF", "GET /a HTTP/1.1\nHost: h\n\n\r\n\r\n", 400},
      {"bare CR", "GET /a HTTP/1.1\rHost: h\r\r\n\r\n", 400},
      {"bare CR in a header", get + "X: a\rb\r\n\r\n", 400},
      {"NUL in the target", std::string("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n", 33), 400},
      {"NUL in a header", get + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"space before the colon", get + "X : a\r\n\r\n", 400},
      {"empty name", get + ": a\r\n\r\n", 400},
      {"two spaces", "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute target", "GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"target beyond ASCII", "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"HTTP/0.9", "GET /a\r\n\r\n", 400},
      {"HTTP/2.0", "GET /a HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
      {"other expectation", post + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417},
      {"chunk size 0x2", post + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", 400},
      {"chunk size +2", post + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", 400},
      {"chunk size -1", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n", 400},
      {"chunk size overflow",
       post + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\nab\r\n0\r\n\r\n", 400},
      {"chunk without CRLF", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n", 400},
  };
  for (auto& r : rows)
    for (std::size_t step : {std::size_t{1}, std::size_t{7}, r.bytes.size()}) {
      CAPTURE(r.what);
      CAPTURE(step);
      auto got = parse(r.bytes, step);
      CHECK(got.status == r.status);
      CHECK(got.is_done == (r.status == 0));
    }
}

TEST_CASE("the request's parts") {
  auto bytes = std::string(
      "POST /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nX-One: first\r\nConnection: close\r\n"
      "Content-Length: 5\r\n\r\nhelloGET");
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    auto got = parse(bytes, step);
    REQUIRE(got.is_done);
    CHECK(got.request.method == "POST");
    CHECK(got.request.path == "/a/b");
    CHECK(got.request.query == "x=1&y");
    CHECK(got.request.header("x-one") == "first");
    CHECK(got.request.header("x-two").empty());
    CHECK(got.request.body == "hello");
    CHECK_FALSE(got.request.keep_alive);
    CHECK(got.rest == "GET");  // belongs to the next request
  }
}

TEST_CASE("however the bytes arrive, they mean the same") {
  std::mt19937 chance(7);
  const std::string seeds[] = {
      post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\nGET",
      post + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET / HTTP/1.1\r\n",
  };
  const std::string_view letters("\r\n:; 0aF,\t\0\xff", 12);
  for (int i = 0; i < 6000; ++i) {
    auto bytes = seeds[chance() % std::size(seeds)];
    for (auto num = chance() % 4; num > 0; --num) {
      auto at = chance() % bytes.size();
      if (chance() % 2)
        bytes[at] = letters[chance() % letters.size()];
      else if (chance() % 2)
        bytes.erase(at, 1);
      else
        bytes.insert(at, 1, letters[chance() % letters.size()]);
    }
    CAPTURE(bytes);
    auto whole = parse(bytes, bytes.size());
    for (std::size_t step : {1, 2, 3, 5, 17}) {
      auto pieces = parse(bytes, step);
      CHECK(pieces.is_done == whole.is_done);
      if (whole.is_done) CHECK(pieces.request.body == whole.request.body);
      if (whole.is_done) CHECK(pieces.rest == whole.rest);
      CHECK((pieces.status == 0) == (whole.status == 0));
    }
  }
}

TEST_CASE("trailers are not believed") {
  auto got = parse(post +
                       "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Api-Key: k\r\n"
                       "Connection: close\r\n\r\n",
                   1000);
  REQUIRE(got.is_done);
  CHECK(got.request.body == "{}");
  CHECK(got.request.header("X-Api-Key").empty());
  CHECK(got.request.keep_alive);
}

TEST_CASE("the framing of chunks costs no more than a head") {
  const auto chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const auto size_of = [](const std::string& before, std::size_t num, const std::string& after) {
    return before + std::string(num, 'a') + after;
  };
  const std::vector<row> rows{
      {"a long extension", size_of("1;", 8000, "\r\nx\r\n0\r\n\r\n"), 0},
      {"an extension beyond the bound", size_of("1;", 8200, "\r\nx\r\n0\r\n\r\n"), 400},
      {"an extension without an end", size_of("1;", 100'000, ""), 400},
      {"a size without an end", std::string(100'000, '0'), 400},
      {"a long trailer", size_of("0\r\nA: ", 8000, "\r\n\r\n"), 0},
      {"a trailer beyond the bound", size_of("0\r\nA: ", 8200, "\r\n\r\n"), 400},
      {"a trailer without an end", size_of("0\r\nA: ", 100'000, ""), 400},
  };
  for (auto& r : rows)
    for (std::size_t step : {std::size_t{1000}, std::size_t{16 << 10}, std::size_t{1 << 20}}) {
      CAPTURE(r.what);
      CAPTURE(step);
      CHECK(parse(chunked + r.bytes, step).status == r.status);
    }
}

TEST_CASE("limits of size") {
  parser_limits limits{.max_head_bytes = 8192, .max_headers = 100, .max_body_bytes = 10};
  auto status = [&](const std::string& bytes) {
    auto one = parse(bytes, 1000, limits).status;
    CHECK(parse(bytes, bytes.size(), limits).status == one);
    return one;
  };
  CHECK(status(get + "X: " + std::string(8000, 'a') + "\r\n\r\n") == 0);
  CHECK(status(get + "X: " + std::string(9000, 'a') + "\r\n\r\n") == 431);
  CHECK(status(get + "X: " + std::string(9000, 'a')) == 431);
  CHECK(status("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n") == 414);
  CHECK(status(std::string(40'000, 'A')) == 414);
  std::string many = get;
  for (int i = 0; i < 99; ++i) many += "A: b\r\n";
  CHECK(status(many + "\r\n") == 0);
  CHECK(status(many + "A: b\r\n\r\n") == 431);
  CHECK(status(post + "Content-Length: 10\r\n\r\n0123456789") == 0);
  CHECK(status(post + "Content-Length: 11\r\n\r\n") == 413);
  CHECK(status(post + "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n") == 413);
}

}  // namespace
}  // namespace troupe
