#include "net/cors.hpp"

#include <doctest/doctest.h>

namespace troupe {
namespace {

const std::vector<std::string> some{"https://chat.example", "http://localhost:3000"};
const std::vector<std::string> all{"*"};

http_request ask(std::string method, std::vector<http_header> headers) {
  return {.method = std::move(method), .path = "/", .headers = std::move(headers)};
}

std::string value(const std::vector<http_header>& headers, std::string_view name) {
  for (auto& [key, text] : headers)
    if (key == name) return text;
  return {};
}

TEST_CASE("origins are a scheme, a host and perhaps a port") {
  CHECK(parse_origin("HTTPS://Chat.Example:8443") == "https://chat.example:8443");
  CHECK(parse_origin("*") == "*");
  CHECK(parse_origin("null") == "null");
  for (auto* text : {"", "chat.example", "https://", "://x", "https://x/", "https://x/y",
                     "https://*.x", "https://a b", "https://a,b"})
    CHECK_MESSAGE(!parse_origin(text), text);
}

TEST_CASE("only allowed origins may read an answer") {
  auto from = [](const char* origin) { return ask("POST", {{"origin", origin}}); };
  CHECK(cors_headers({}, from("https://chat.example")).empty());
  auto headers = cors_headers(some, from("https://CHAT.example"));
  CHECK(value(headers, "Access-Control-Allow-Origin") == "https://CHAT.example");
  CHECK(value(headers, "Vary") == "Origin");
  for (auto* other : {"https://evil.example", "http://chat.example", "https://chat.example.evil",
                      "https://chat.example:8443", "null"}) {
    headers = cors_headers(some, from(other));
    CHECK(value(headers, "Access-Control-Allow-Origin").empty());
    CHECK(value(headers, "Vary") == "Origin");
  }
  CHECK(value(cors_headers(all, from("https://x")), "Access-Control-Allow-Origin") == "*");
  CHECK(value(cors_headers(some, ask("GET", {})), "Vary") == "Origin");
}

TEST_CASE("a preflight is answered with the path's methods and the headers it asks for") {
  auto question = ask("OPTIONS", {{"Origin", "https://chat.example"},
                                  {"Access-Control-Request-Method", "POST"},
                                  {"Access-Control-Request-Headers", "content-type,x-api-key"}});
  auto answer = answer_preflight(some, question, "POST");
  REQUIRE(answer);
  CHECK(answer->status == 204);
  CHECK(value(answer->headers, "Access-Control-Allow-Methods") == "POST");
  CHECK(value(answer->headers, "Access-Control-Allow-Headers") == "content-type,x-api-key");
  CHECK_FALSE(answer_preflight({}, question, "POST"));
  question.headers[2].second = "x\x01y";
  CHECK(value(answer_preflight(some, question, "POST")->headers, "Access-Control-Allow-Headers")
            .empty());
  question.headers[0].second = "https://evil.example";
  CHECK(answer_preflight(some, question, "POST")->headers.empty());
  CHECK_FALSE(answer_preflight(some, ask("OPTIONS", {{"Origin", "https://chat.example"}}), "POST"));
  CHECK_FALSE(answer_preflight(some, ask("POST", question.headers), "POST"));
}

TEST_CASE("a WebSocket is opened for our own pages, allowed ones, and who is no browser") {
  auto may = [](const std::vector<std::string>& allowed, std::vector<http_header> headers) {
    return is_welcome(allowed, ask("GET", std::move(headers)));
  };
  CHECK(may({}, {{"Host", "troupe.example"}}));
  CHECK(may({}, {{"Host", "troupe.example:8080"}, {"Origin", "http://Troupe.example:8080"}}));
  CHECK(may({}, {{"Host", "troupe.example"}, {"Origin", "https://troupe.example"}}));
  CHECK(may({}, {{"Host", "troupe.example:443"}, {"Origin", "https://troupe.example"}}));
  CHECK_FALSE(may({}, {{"Host", "troupe.example"}, {"Origin", "https://evil.example"}}));
  CHECK_FALSE(may({}, {{"Host", "troupe.example"}, {"Origin", "http://troupe.example:81"}}));
  CHECK_FALSE(may({}, {{"Host", "troupe.example"}, {"Origin", "null"}}));
  CHECK_FALSE(may({}, {{"Host", ""}, {"Origin", "garbage"}}));
  CHECK(may(some, {{"Host", "troupe.example"}, {"Origin", "https://chat.example"}}));
  CHECK_FALSE(may(some, {{"Host", "troupe.example"}, {"Origin", "https://evil.example"}}));
  CHECK(may(all, {{"Host", "troupe.example"}, {"Origin", "https://evil.example"}}));
}

}  // namespace
}  // namespace troupe
