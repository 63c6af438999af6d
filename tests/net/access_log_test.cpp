#include "net/access_log.hpp"

#include <doctest/doctest.h>

#include "text/json.hpp"

namespace troupe {
namespace {

TEST_CASE("a request is one line of JSON with what is known of it") {
  access_record record{.time = std::chrono::system_clock::time_point(std::chrono::milliseconds{7}),
                       .request_id = "req-1",
                       .client = "192.0.2.7",
                       .is_encrypted = true,
                       .key_name = "alice",
                       .method = "POST",
                       .route = "/generate",
                       .status = 200,
                       .duration_ms = 1.5,
                       .bytes_in = 10,
                       .bytes_out = 20,
                       .usage = {.prompt_tokens = 3, .completion_tokens = 4},
                       .user_agent = "curl/8"};
  CHECK(to_json_line(record) ==
        R"({"time": "1970-01-01T00:00:00.007Z", "request_id": "req-1", "client": "192.0.2.7", )"
        R"("scheme": "https", )"
        R"("key": "alice", "method": "POST", "route": "/generate", "status": 200, )"
        R"("duration_ms": 1.500, "bytes_in": 10, "bytes_out": 20, "prompt_tokens": 3, )"
        R"("completion_tokens": 4, "user_agent": "curl/8"})");
}

TEST_CASE("nothing that a client wrote leaves its quotes") {
  std::string hostile = "a\"b\\c\n\r\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\xff\xe4\xbd\xa0";
  access_record record{.method = hostile, .route = "other", .user_agent = hostile};
  record.body = hostile;
  auto line = to_json_line(record);
  for (char c : line) CHECK(static_cast<unsigned char>(c) >= 0x20);
  for (auto* bad : {"\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xff"})
    CHECK(line.find(bad) == std::string::npos);
  auto parsed = parse_json(line);
  REQUIRE(parsed);
  CHECK(*parsed->find("body")->as_string() ==
        "a\"b\\c\n\r\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\xef\xbf\xbd\xe4\xbd\xa0");
}

TEST_CASE("what a client wrote is cut, at whole characters") {
  std::string agent;
  for (int i = 0; i < 1000; ++i) agent += "\xe4\xbd\xa0";
  auto line = to_json_line({.method = std::string(9000, 'G'), .user_agent = agent});
  CHECK(line.size() < 600);
  CHECK(parse_json(line));
}

TEST_CASE("a log that cannot be opened says why") {
  auto log = access_log::open("/dev/null/log");
  REQUIRE_FALSE(log);
  CHECK(log.error().message.find("/dev/null/log") != std::string::npos);
}

}  // namespace
}  // namespace troupe
