#include "cli/flag_values.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

TEST_CASE("bytes carry a unit of 1024 or of 1000") {
  CHECK(parse_bytes("0") == 0);
  CHECK(parse_bytes("17B") == 17);
  CHECK(parse_bytes("1.5KiB") == 1536);
  CHECK(parse_bytes("2GiB") == 2147483648);
  CHECK(parse_bytes("2GB") == 2000000000);
}

TEST_CASE("a time carries a unit; a bare number is seconds") {
  CHECK(parse_time("250ms") == 250ms);
  CHECK(parse_time("1.5s") == 1500ms);
  CHECK(parse_time("2m") == 2min);
  CHECK(parse_time("1h") == 1h);
  CHECK(parse_time("30") == 30s);
}

TEST_CASE("what is no amount is refused") {
  for (auto text : {"", "GiB", "-1", "1 GiB", "1gib", "1e400", "nan", "inf", "0x10", "1TiBx"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_bytes(text));
    CHECK_FALSE(parse_time(text));
  }
  CHECK_FALSE(parse_bytes("1e30TiB"));
  CHECK_FALSE(parse_time("1d"));
}

TEST_CASE("what is written reads back as the same value") {
  CHECK(format_bytes(8U << 20) == "8MiB");
  CHECK(format_bytes(1500) == "1500");
  CHECK(format_time(30s) == "30s");
  CHECK(format_time(250ms) == "250ms");
  for (std::uint64_t bytes : {0ULL, 1ULL, 1023ULL, 1024ULL, 1536ULL, 5'000'000'000ULL, 1ULL << 53})
    CHECK(parse_bytes(format_bytes(bytes)) == bytes);
  for (auto time : {0ms, 1ms, 999ms, 1000ms, 90'000ms, 1'000'000'000ms})
    CHECK(parse_time(format_time(time)) == time);
}
