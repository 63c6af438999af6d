#include "load/answer_reader.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace troupe;
using namespace troupe::load;

namespace {

answer_reader read_whole(api_kind api, unsigned status, std::string_view body) {
  answer_reader out(api, true);
  out.begin(status, "application/json");
  for (char c : body) out.body({&c, 1}, 1);
  out.finish();
  return out;
}

constexpr auto chat_stream = R"(data: {"choices":[{"delta":{"role":"assistant","content":""}}]}

data: {"choices":[{"delta":{"content":"Hel"}}]}

data: {"choices":[{"delta":{"content":"lo"}}]}

data: {"choices":[{"delta":{},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"cached_tokens":1}}

data: [DONE]

)";

}  // namespace

TEST_CASE("whole answers of each API") {
  auto generated = read_whole(api_kind::generate, 200,
                              R"({"text":"hi","finish_reason":"stop","usage":{"prompt_tokens":4,
                                  "completion_tokens":2,"cached_tokens":3}})");
  CHECK(generated.failure.empty());
  CHECK(generated.text == "hi");
  CHECK(generated.prompt_tokens == 4);
  CHECK(generated.cached_tokens == 3);
  CHECK(generated.output_tokens == 2);
  CHECK(generated.first_piece < 0);
  auto said = read_whole(api_kind::chat, 200,
                         R"({"choices":[{"message":{"content":"hi"},"finish_reason":"length"}]})");
  CHECK(said.failure.empty());
  CHECK(said.text == "hi");
  auto completed = read_whole(api_kind::completions, 200,
                              R"({"choices":[{"text":"hi","finish_reason":"stop"}]})");
  CHECK(completed.text == "hi");
}

TEST_CASE("a stream, in any cut: first text, gaps, usage") {
  std::string_view bytes = chat_stream;
  for (std::size_t cut = 1; cut < bytes.size(); cut += 7) {
    answer_reader reader(api_kind::chat, true);
    reader.begin(200, "text/event-stream; charset=utf-8");
    double now = 1;
    for (std::size_t at = 0; at < bytes.size(); at += cut)
      reader.body(bytes.substr(at, cut), ++now);
    reader.finish();
    CHECK(reader.failure.empty());
    CHECK(reader.text == "Hello");
    CHECK(reader.num_pieces == 2);
    CHECK(reader.gaps.size() == 1);
    CHECK(reader.max_gap == reader.last_piece - reader.first_piece);
    CHECK(reader.first_piece > 1);
    CHECK(reader.output_tokens == 2);
    CHECK(reader.cached_tokens == 1);
  }
}

TEST_CASE("what is no answer has a class") {
  CHECK(read_whole(api_kind::chat, 503, "busy").failure == "http 503");
  CHECK(read_whole(api_kind::chat, 503, "busy").problem == "busy");
  CHECK(read_whole(api_kind::chat, 200, "<html>").failure == "protocol");
  CHECK(read_whole(api_kind::generate, 200, R"({"text":"no end"})").failure == "protocol");
  answer_reader cut(api_kind::chat, true);
  cut.begin(200, "text/event-stream");
  cut.body(std::string_view(chat_stream).substr(0, 120), 1);
  cut.finish();
  CHECK(cut.failure == "truncated");
  answer_reader failed(api_kind::generate, true);
  failed.begin(200, "text/event-stream");
  failed.body("data: {\"error\":{\"message\":\"lost\"}}\n\n", 1);
  failed.finish();
  CHECK(failed.failure == "stream error");
}

TEST_CASE("frames of a WebSocket") {
  answer_reader fine(api_kind::chat, true);
  CHECK(!fine.frame(R"({"type":"accepted","id":"1","request_id":"r"})", 1));
  CHECK(!fine.frame(R"({"type":"tokens","id":"1","data":{"choices":[{"delta":{"content":"hi"}}]}})",
                    2));
  CHECK(fine.frame(R"({"type":"finished","id":"1","finish_reason":"stop",
                       "usage":{"prompt_tokens":1,"completion_tokens":1}})",
                   3));
  CHECK(fine.failure.empty());
  CHECK(fine.first_piece == 2);
  CHECK(fine.output_tokens == 1);
  answer_reader refused(api_kind::chat, true);
  CHECK(refused.frame(R"({"type":"error","id":"1","error":{"status":429}})", 1));
  CHECK(refused.failure == "http 429");
}
