#include "net/sse_reader.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

std::vector<sse_event> read(std::string_view text, std::size_t cut) {
  sse_reader reader;
  std::vector<sse_event> out;
  for (std::size_t at = 0; at < text.size(); at += cut)
    REQUIRE(reader.push(text.substr(at, cut), out));
  return out;
}

// The data of all events, each in brackets, read in every cut.
std::string data_of(std::string_view text) {
  std::string first;
  for (std::size_t cut = 1; cut <= text.size() + 1; ++cut) {
    std::string all;
    for (auto& event : read(text, cut)) all += "[" + event.data + "]";
    if (cut == 1) first = all;
    CHECK(all == first);
  }
  return first;
}

}  // namespace

TEST_CASE("lines end with LF, CR or CRLF, wherever the bytes are cut") {
  CHECK(data_of("data: a\n\ndata: b\n\n") == "[a][b]");
  CHECK(data_of("data: a\r\rdata: b\r\r") == "[a][b]");
  CHECK(data_of("data: a\r\n\r\ndata: b\r\n\r\n") == "[a][b]");
  CHECK(data_of("data: a\r\n\ndata: b\n\r\n") == "[a][b]");
  CHECK(data_of("data: a\r\ndata: b\r\n\r\n") == "[a\nb]");
  CHECK(data_of("data: a\rdata: b\r\r") == "[a\nb]");
}

TEST_CASE("the examples of the standard") {
  CHECK(data_of("data: YHOO\ndata: +2\ndata: 10\n\n") == "[YHOO\n+2\n10]");
  CHECK(data_of("data\n\ndata\ndata\n\ndata:") == "[][\n]");
  CHECK(data_of("data:test\n\ndata: test\n\n") == "[test][test]");
  auto events = read(": stream\n\ndata: 1st\nid: 1\n\ndata:2nd\nid\n\ndata:  3rd\n\n", 5);
  REQUIRE(events.size() == 3);
  CHECK(events[0].last_id == "1");
  CHECK(events[1].last_id.empty());
  CHECK(events[2].data == " 3rd");
}

TEST_CASE("a byte order mark may come first, and only there") {
  CHECK(data_of("\xEF\xBB\xBF"
                "data: a\n\n") == "[a]");
  CHECK(data_of("data: a\n\n\xEF\xBB\xBF"
                "data: b\n\n") == "[a]");
}

TEST_CASE("comments, unknown fields and events without data are passed over") {
  CHECK(data_of(":\n: ping\ncolour: red\nevent: x\n\ndata: a\n\n") == "[a]");
  auto events = read("event: x\n\ndata: a\n\nevent: y\ndata: b\n\n", 3);
  REQUIRE(events.size() == 2);
  CHECK(events[0].type == "message");
  CHECK(events[1].type == "y");
}

TEST_CASE("what no blank line ends is no event") {
  CHECK(data_of("data: a\n\ndata: b\n") == "[a]");
}

TEST_CASE("an id with a zero byte is passed over, a retry that is no number, too") {
  sse_reader reader;
  std::vector<sse_event> out;
  using namespace std::string_view_literals;
  REQUIRE(reader.push("id: 7\nretry: soon\ndata: a\n\n"sv, out));
  CHECK_FALSE(reader.retry());
  REQUIRE(reader.push("id: \0\nretry: 250\ndata: b\n\n"sv, out));
  CHECK(out.back().last_id == "7");
  CHECK(reader.retry() == std::chrono::milliseconds{250});
}

TEST_CASE("an event longer than the bound is refused") {
  sse_reader reader(8);
  std::vector<sse_event> out;
  CHECK(reader.push("data: a\n\n", out));
  CHECK_FALSE(reader.push("data: aaaaaaaa", out));
}
