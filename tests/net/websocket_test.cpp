// What a WebSocket's frames mean, what credit pays for, and which requests may open one.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "net/client_frame.hpp"
#include "net/credit.hpp"
#include "net/server_frame.hpp"
#include "net/websocket_upgrade.hpp"

namespace troupe::test {
namespace {

template <class Frame>
Frame read_as(const std::string& text) {
  auto reading = read_client_frame(text);
  REQUIRE_MESSAGE(reading.frame, reading.frame.error().message);
  auto* frame = std::get_if<Frame>(&*reading.frame);
  REQUIRE(frame != nullptr);
  return *frame;
}

struct refused {
  std::string field;
  std::string id;
  friend bool operator==(const refused&, const refused&) = default;
};

refused refusal_of(const std::string& text) {
  auto reading = read_client_frame(text);
  REQUIRE_MESSAGE(!reading.frame, text);
  CHECK(!reading.frame.error().message.empty());
  return {reading.frame.error().field, reading.id};
}

TEST_CASE("a generate frame has a body, and a path and credit if it wants") {
  auto plain =
      read_as<generate_frame>(R"({"type": "generate", "id": "a", "body": {"prompt": "x"}})");
  CHECK(plain.id == "a");
  CHECK(plain.path == "/v1/chat/completions");
  CHECK(plain.body == R"({"prompt":"x","stream":true})");
  CHECK(!plain.credit);
  auto full = read_as<generate_frame>(
      R"({"type": "generate", "id": "a", "path": "/generate", "credit": 0,
          "body": {"stream": false, "n": 18446744073709551615}})");
  CHECK(full.path == "/generate");
  CHECK(full.body == R"({"stream":true,"n":18446744073709551615})");
  CHECK(full.credit == 0);
}

TEST_CASE("a stream that is no truth value is left for its reader to refuse") {
  auto odd = read_as<generate_frame>(R"({"type": "generate", "id": "a", "body": {"stream": 5}})");
  CHECK(odd.body == R"({"stream":5})");
}

TEST_CASE("the other frames") {
  auto credit = read_as<credit_frame>(R"({"type": "credit", "id": "a", "frames": 7})");
  CHECK(credit.id == "a");
  CHECK(credit.num_frames == 7);
  CHECK(read_as<cancel_frame>(R"({"type": "cancel", "id": "b"})").id == "b");
  CHECK(read_as<ping_frame>(R"({"type": "ping", "id": [1, "x"]})").id == R"([1,"x"])");
  CHECK(read_as<ping_frame>(R"({"type": "ping"})").id == "null");
}

TEST_CASE("a frame that is wrong is refused by its field, and named where that is safe") {
  CHECK(refusal_of("") == refused{});
  CHECK(refusal_of("[]") == refused{});
  CHECK(refusal_of("{\"type\": \"ping\"") == refused{});
  CHECK(refusal_of("{}") == refused{"type", ""});
  CHECK(refusal_of(R"({"type": "speak"})") == refused{"type", ""});
  CHECK(refusal_of(R"({"type": 1})") == refused{"type", ""});
  CHECK(refusal_of(R"({"type": "generate", "body": {}})") == refused{"id", ""});
  CHECK(refusal_of(R"({"type": "generate", "id": "", "body": {}})") == refused{"id", ""});
  CHECK(refusal_of(R"({"type": "generate", "id": 1, "body": {}})") == refused{"id", ""});
  auto long_id = std::string(65, 'i');
  CHECK(refusal_of(R"({"type": "generate", "body": {}, "id": ")" + long_id + R"("})") ==
        refused{"id", ""});
  CHECK(refusal_of(R"({"type": "generate", "id": "a"})") == refused{"body", "a"});
  CHECK(refusal_of(R"({"type": "generate", "id": "a", "body": "x"})") == refused{"body", "a"});
  CHECK(refusal_of(R"({"type": "generate", "id": "a", "body": {}, "path": 1})") ==
        refused{"path", "a"});
  CHECK(refusal_of(R"({"type": "generate", "id": "a", "body": {}, "credit": -1})") ==
        refused{"credit", "a"});
  CHECK(refusal_of(R"({"type": "generate", "id": "a", "body": {}, "credits": 1})") ==
        refused{"credits", "a"});
  CHECK(refusal_of(R"({"type": "credit", "id": "a"})") == refused{"frames", ""});
  CHECK(refusal_of(R"({"type": "credit", "id": "a", "frames": 0})") == refused{"frames", ""});
  CHECK(refusal_of(R"({"type": "cancel"})") == refused{"id", ""});
}

TEST_CASE("credit pays for frames; without a number there is no end to it") {
  credit_account some(2);
  CHECK(some.take());
  CHECK(some.take());
  CHECK(!some.has_some());
  CHECK(!some.take());
  some.grant(1);
  CHECK(some.take());
  CHECK(!some.take());
  some.grant(std::numeric_limits<std::uint64_t>::max());
  some.grant(5);
  CHECK(some.take());
  credit_account endless(std::nullopt);
  endless.grant(1);
  for (int i = 0; i < 10; ++i) CHECK(endless.take());
}

TEST_CASE("the server's frames") {
  CHECK(accepted_frame("a", "req-1") == R"({"type":"accepted","id":"a","request_id":"req-1"})");
  CHECK(tokens_frame("a\"", R"({"x":1})") == R"({"type":"tokens","id":"a\"","data":{"x":1}})");
  CHECK(pong_frame("[1]") == R"({"type":"pong","id":[1]})");
  token_usage usage{.prompt_tokens = 3, .cached_tokens = 2, .completion_tokens = 4};
  using std::chrono::milliseconds;
  CHECK(finished_frame("a", finish_reason::length, usage, {milliseconds{5}, milliseconds{9}}) ==
        R"({"type":"finished","id":"a","finish_reason":"length","usage":{"prompt_tokens":3,)"
        R"("completion_tokens":4,"total_tokens":7,"cached_tokens":2},)"
        R"("timings":{"ttft_ms":5.0,"total_ms":9.0}})");
  http_error error{.status = 400, .message = "no", .param = "id", .code = "invalid_value"};
  CHECK(error_frame("", error) ==
        R"({"type":"error","error":{"status":400,"message":"no","type":"invalid_request_error",)"
        R"("param":"id","code":"invalid_value"}})");
  http_error full{
      .status = 429, .message = "full", .code = "queue_full", .retry_after = milliseconds{1200}};
  CHECK(error_frame("a", full) ==
        R"({"type":"error","id":"a","error":{"status":429,"message":"full",)"
        R"("type":"rate_limit_error","param":null,"code":"queue_full","retry_after":2}})");
}

http_request upgrade_request() {
  return {.method = "GET",
          .path = "/ws",
          .headers = {{"Host", "here:80"},
                      {"Connection", "keep-alive, Upgrade"},
                      {"Upgrade", "websocket"},
                      {"Sec-WebSocket-Version", "13"},
                      {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}};
}

int status_with(const std::string& name, const std::string& value) {
  auto request = upgrade_request();
  for (auto& header : request.headers)
    if (header.first == name) header.second = value;
  auto wrong = check_upgrade(request);
  return wrong ? wrong->status : 101;
}

TEST_CASE("an upgrade needs all its headers") {
  CHECK(!check_upgrade(upgrade_request()));
  CHECK(status_with("Upgrade", "h2c") == 426);
  CHECK(status_with("Upgrade", "h2c, WebSocket") == 101);
  CHECK(status_with("Connection", "close") == 426);
  CHECK(status_with("Sec-WebSocket-Version", "8") == 426);
  CHECK(status_with("Sec-WebSocket-Key", "short") == 400);
  CHECK(status_with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ!!") == 400);
  auto old = upgrade_request();
  old.is_http_1_0 = true;
  CHECK(check_upgrade(old)->status == 400);
}

}  // namespace
}  // namespace troupe::test
