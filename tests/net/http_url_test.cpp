#include "net/http_url.hpp"

#include <doctest/doctest.h>

using namespace troupe;

TEST_CASE("a URL gives scheme, host, port and path") {
  auto plain = parse_url("http://127.0.0.1:8080");
  REQUIRE(plain);
  CHECK_FALSE(plain->is_tls);
  CHECK(plain->host == "127.0.0.1");
  CHECK(plain->port == "8080");
  CHECK(plain->path.empty());
  CHECK(plain->authority() == "127.0.0.1:8080");
  auto secure = parse_url("https://example.org/llm/v1/");
  REQUIRE(secure);
  CHECK(secure->is_tls);
  CHECK(secure->port == "443");
  CHECK(secure->path == "/llm/v1");
  CHECK(secure->authority() == "example.org");
  auto six = parse_url("http://[::1]:80/");
  REQUIRE(six);
  CHECK(six->host == "::1");
  CHECK(six->authority() == "[::1]");
}

TEST_CASE("what is no URL is refused with an example") {
  for (auto text : {"", "127.0.0.1:8080", "ftp://a", "http://", "http://:80", "http://a:0",
                    "http://a:65536", "http://a:x", "http://a:", "http://[::1", "http://[::1]x",
                    "http://a b", "http://u@a", "http://a/?q", "http://a/#f", "http://a\r\nX: y"}) {
    CAPTURE(text);
    auto refused = parse_url(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("http://127.0.0.1:8080") != std::string::npos);
  }
}
