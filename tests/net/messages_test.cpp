// POST /v1/messages as Anthropic's clients see it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "net/dialects/messages_writer.hpp"
#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

std::string shown(const json_value& from, std::initializer_list<const char*> path) {
  auto* at = &from;
  for (auto* key : path) {
    REQUIRE_MESSAGE(at != nullptr, key);
    at = at->as_array() ? &at->as_array()->at(static_cast<std::size_t>(std::stoi(key)))
                        : at->find(key);
  }
  REQUIRE(at != nullptr);
  std::string out;
  append_json(out, *at);
  return out;
}

std::string refused_field(client& reader, const std::string& more, int status = 400) {
  auto answer = reader.post("/v1/messages", R"({"max_tokens": 3, )" + more + "}");
  CHECK_MESSAGE(answer.status == status, answer.body);
  auto json = parse(answer.body);
  CHECK(shown(json, {"type"}) == R"("error")");
  return shown(json, {"error", "message"});
}

constexpr std::string_view call_text =
    "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>\n"
    "<tool_call>\n{\"name\": \"g\", \"arguments\": [}\n</tool_call>";

answer_piece piece(std::string_view text, bool is_last) {
  answer_piece out{.text = std::string(text)};
  if (is_last)
    out.end = answer_end{.why = finish_reason::stop,
                         .usage = {.prompt_tokens = 9, .cached_tokens = 4, .completion_tokens = 5}};
  return out;
}

struct event_log : event_sink {
  void event(std::string_view name, std::string_view json) override {
    names.emplace_back(name);
    bodies.push_back(parse(std::string(json)));
    CHECK(shown(bodies.back(), {"type"}) == "\"" + names.back() + "\"");
  }
  std::vector<std::string> names;
  std::vector<json_value> bodies;
};

TEST_CASE("a message is answered in Anthropic's form") {
  net_stage stage;
  client reader(stage.port());
  auto answer = parse(reader
                          .post("/v1/messages", R"({"model": "byte-echo", "max_tokens": 4,
      "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
      "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
      "metadata": {"user_id": "u"}})")
                          .body);
  CHECK(shown(answer, {"type"}) == R"("message")");
  CHECK(shown(answer, {"content", "0", "type"}) == R"("text")");
  CHECK(shown(answer, {"stop_reason"}) == R"("max_tokens")");
  CHECK(shown(answer, {"stop_sequence"}) == "null");
  CHECK(shown(answer, {"usage", "output_tokens"}) == "4");
  auto stopped = parse(reader
                           .post("/v1/messages", R"({"max_tokens": 90, "stop_sequences": ["Be"],
      "system": "Be kind.", "messages": [{"role": "user", "content": "Hi"}]})")
                           .body);
  CHECK(shown(stopped, {"stop_reason"}) == R"("stop_sequence")");
  CHECK(shown(stopped, {"stop_sequence"}) == R"("Be")");
}

TEST_CASE("a stream has Anthropic's events in their order") {
  net_stage stage;
  client reader(stage.port());
  auto answer = reader.post("/v1/messages", R"({"max_tokens": 3, "stream": true,
      "messages": [{"role": "user", "content": "Hi"}]})");
  CHECK(answer.body.starts_with("event: message_start\ndata: {"));
  CHECK(answer.body.find("[DONE]") == std::string::npos);
  CHECK(answer.body.find("event: message_stop") != std::string::npos);
}

TEST_CASE("calls become blocks, whole and streamed, cut anywhere") {
  auto writer =
      make_messages_writer({.unique = "0123456789abcdef", .model = "m", .has_calls = true});
  auto whole = parse(writer->whole({piece(call_text, true)}));
  CHECK(whole.find("content")->as_array()->size() == 3);
  CHECK(shown(whole, {"content", "1", "name"}) == R"("f")");
  CHECK(shown(whole, {"content", "1", "input"}) == R"({"x":1})");
  // What is no object is told as text, not lost.
  CHECK(shown(whole, {"content", "2", "input", "invalid_json"}).find("[}") != std::string::npos);
  CHECK(shown(whole, {"stop_reason"}) == R"("tool_use")");
  CHECK(shown(whole, {"usage", "input_tokens"}) == "5");
  CHECK(shown(whole, {"usage", "cache_read_input_tokens"}) == "4");

  for (std::size_t step : {1, 7, 500}) {
    auto streaming =
        make_messages_writer({.unique = "0123456789abcdef", .model = "m", .has_calls = true});
    event_log log;
    for (std::size_t at = 0; at < call_text.size(); at += step)
      streaming->write(log, 0, piece(call_text.substr(at, step), at + step >= call_text.size()));
    std::string text, input;
    std::vector<std::string> starts;
    for (std::size_t i = 0; i < log.names.size(); ++i) {
      auto& body = log.bodies[i];
      if (log.names[i] == "content_block_start")
        starts.push_back(shown(body, {"content_block", "type"}));
      if (log.names[i] != "content_block_delta") continue;
      auto* delta = body.find("delta");
      if (auto* more = delta->find("text")) text += *more->as_string();
      if (shown(body, {"index"}) == "1") input += *delta->find("partial_json")->as_string();
    }
    CHECK(starts == std::vector<std::string>{R"("text")", R"("tool_use")", R"("tool_use")"});
    CHECK(text == "Let me see.");
    CHECK(parse(input).find("x") != nullptr);
    CHECK(log.names.back() == "message_stop");
  }
}

TEST_CASE("what is wrong with a message is refused in Anthropic's form") {
  net_stage stage;
  client reader(stage.port());
  auto fine = std::string(R"("messages": [{"role": "user", "content": "Hi"}])");
  CHECK(refused_field(reader, R"("messages": [])").find("messages") != std::string::npos);
  CHECK(refused_field(reader, R"("messages": [{"role": "system", "content": "a"}])")
            .find("messages[0].role") != std::string::npos);
  CHECK(refused_field(reader, R"("messages": [{"role": "user", "content": [{"type": "image"}]}])")
            .find("messages[0].content[0].type") != std::string::npos);
  CHECK(refused_field(reader, fine + R"(, "tool_choice": {"type": "any"})").find("tool_choice") !=
        std::string::npos);
  CHECK(refused_field(reader, fine + R"(, "tools": [{"name": "f"}])").find("input_schema") !=
        std::string::npos);
  CHECK(
      refused_field(reader, fine + R"(, "thinking": {"type": "enabled"})").find("thinking.type") !=
      std::string::npos);
  CHECK(refused_field(reader, fine + R"(, "stop": "x")").find("stop") != std::string::npos);
  CHECK(refused_field(reader, fine + R"(, "model": "claude")", 404).find("byte-echo") !=
        std::string::npos);
  auto counted = parse(reader.post("/v1/messages/count_tokens", "{" + fine + "}").body);
  CHECK(counted.find("input_tokens")->as_int() != nullptr);
}

}  // namespace
}  // namespace troupe::test
