// POST /generate as a client sees it: answers, events, stop strings, logprobs.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

std::string text_of(const json_value& answer) { return *answer.find("text")->as_string(); }
std::string reason_of(const json_value& answer) {
  return *answer.find("finish_reason")->as_string();
}
std::int64_t usage_of(const json_value& answer, std::string_view key) {
  return *answer.find("usage")->find(key)->as_int();
}

// The data of each event; the last one must be [DONE].
std::vector<std::string> events_of(std::string_view body) {
  std::vector<std::string> out;
  while (!body.empty()) {
    auto end = body.find("\n\n");
    REQUIRE(end != std::string_view::npos);
    REQUIRE(body.substr(0, 6) == "data: ");
    out.emplace_back(body.substr(6, end - 6));
    body.remove_prefix(end + 2);
  }
  return out;
}

struct streamed {
  std::string text;
  json_value last;
};

streamed join_events(const std::string& body) {
  auto events = events_of(body);
  REQUIRE(events.size() >= 2);
  CHECK(events.back() == "[DONE]");
  streamed out;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    auto event = parse(events[i]);
    out.text += text_of(event);
    CHECK((event.find("finish_reason") != nullptr) == (i + 2 == events.size()));
    out.last = std::move(event);
  }
  return out;
}

TEST_CASE("the answer comes whole") {
  net_stage stage;
  client reader(stage.port());
  auto answer = reader.post("/generate", R"({"prompt": "hé ", "max_tokens": 8, "seed": 7})");
  CHECK(answer.status == 200);
  CHECK(answer.header("Content-Type") == "application/json");
  auto json = parse(answer.body);
  CHECK(text_of(json) == "hé hé ");
  CHECK(reason_of(json) == "length");
  CHECK(*json.find("seed")->as_int() == 7);
  CHECK(usage_of(json, "prompt_tokens") == 4);
  CHECK(usage_of(json, "completion_tokens") == 8);
  CHECK(usage_of(json, "total_tokens") == 12);
  CHECK(usage_of(json, "cached_tokens") == 1);
  CHECK(*json.find("id")->as_string() == answer.header("X-Request-Id"));
  CHECK(json.find("logprobs") == nullptr);
}

TEST_CASE("the events hold the same text, and their bytes are chunks of whole events") {
  net_stage stage;
  stage.script().pace_ms = 1;
  client reader(stage.port());
  auto answer = reader.post("/generate", R"({"prompt": "αβγ", "max_tokens": 60, "stream": true})");
  CHECK(answer.status == 200);
  CHECK(answer.was_chunked);
  CHECK(answer.header("Content-Type") == "text/event-stream; charset=utf-8");
  auto whole = join_events(answer.body);
  std::string expected;
  for (int i = 0; i < 10; ++i) expected += "αβγ";
  CHECK(whole.text == expected);
  CHECK(reason_of(whole.last) == "length");
  CHECK(usage_of(whole.last, "completion_tokens") == 60);
  CHECK(events_of(answer.body).size() > 5);  // it did stream
  CHECK(reader.get("/version").status == 200);
}

TEST_CASE("the bytes of a stream") {
  net_stage stage;
  // What may become the stop string comes with the end, so that there is one event, not one or two.
  client reader(stage.port());
  reader.send(client::post_text(
      "/generate", R"({"prompt": "ab", "max_tokens": 2, "stream": true, "seed": 1, "stop": "abx"})",
      "X-Request-Id: r1\r\n"));
  auto bytes = reader.receive_until("0\r\n\r\n");
  CHECK(bytes ==
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: text/event-stream; charset=utf-8\r\n"
        "Cache-Control: no-store\r\n"
        "X-Accel-Buffering: no\r\n"
        "Transfer-Encoding: chunked\r\n"
        "X-Request-Id: r1\r\n\r\n"
        "a4\r\n"
        "data: {\"id\":\"r1\",\"text\":\"ab\",\"finish_reason\":\"length\",\"seed\":1,"
        "\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2,\"total_tokens\":4,"
        "\"cached_tokens\":1}}\n\n"
        "data: [DONE]\n\n\r\n"
        "0\r\n\r\n");
}

TEST_CASE("a stop string ends the answer before its text") {
  net_stage stage;
  stage.script().pace_ms = 1;
  for (bool stream : {false, true}) {
    CAPTURE(stream);
    client reader(stage.port());
    auto answer = reader.post("/generate", std::string(R"({"prompt": "abcdef", "max_tokens": 5000,
        "stop": ["xx", "efa"], "stream": )") + (stream ? "true}" : "false}"));
    auto json = stream ? join_events(answer.body).last : parse(answer.body);
    CHECK((stream ? join_events(answer.body).text : text_of(json)) == "abcd");
    CHECK(reason_of(json) == "stop");
    CHECK(usage_of(json, "completion_tokens") == 7);
    CHECK(usage_of(json, "cached_tokens") == 1);  // known to the engine alone
  }
  CHECK(stage.script().num_stopped == 2);
  CHECK(stage.script().num_cancelled == 0);
  client reader(stage.port());
  auto answer = reader.post("/generate", R"({"prompt": "abcdef", "max_tokens": 5000,
      "stop": "cd", "include_stop_str_in_output": true})");
  CHECK(text_of(parse(answer.body)) == "abcd");
}

TEST_CASE("the token that ends an answer is not shown") {
  net_stage stage;
  stage.script().eos_after = 3;
  client reader(stage.port());
  for (const char* more : {"", R"(, "skip_special_tokens": false)"}) {
    auto answer =
        reader.post("/generate", std::string(R"({"prompt": "abc", "max_tokens": 9)") + more + "}");
    auto json = parse(answer.body);
    CHECK(text_of(json) == "abc");
    CHECK(reason_of(json) == "stop");
    CHECK(usage_of(json, "completion_tokens") == 4);
  }
  stage.script().eos_after = -1;
  auto by_id =
      reader.post("/generate", R"({"prompt": "abc", "max_tokens": 9, "stop_token_ids": [98]})");
  CHECK(text_of(parse(by_id.body)) == "a");
  CHECK(reason_of(parse(by_id.body)) == "stop");
}

TEST_CASE("logprobs come with the tokens") {
  net_stage stage;
  client reader(stage.port());
  auto json =
      parse(reader.post("/generate", R"({"prompt": "ab", "max_tokens": 2, "logprobs": 1})").body);
  auto& tokens = *json.find("logprobs")->as_array();
  REQUIRE(tokens.size() == 2);
  CHECK(*tokens[1].find("token_id")->as_int() == 'b');
  CHECK(*tokens[1].find("token")->as_string() == "b");
  double logprob = 0;
  CHECK(tokens[1].find("logprob")->get_number(logprob));
  CHECK(logprob == -0.5);
  CHECK(tokens[1].find("top_logprobs")->as_array()->size() == 1);
  auto plain = parse(
      reader.post("/generate", R"({"prompt": "ab", "max_tokens": 2, "logprobs": true})").body);
  CHECK((*plain.find("logprobs")->as_array())[0].find("top_logprobs")->as_array()->empty());
}

TEST_CASE("a request without a seed gets one of its own and learns it") {
  net_stage stage;
  client reader(stage.port());
  auto first = parse(reader.post("/generate", R"({"prompt": "a", "max_tokens": 1})").body);
  auto second = parse(reader.post("/generate", R"({"prompt": "a", "max_tokens": 1})").body);
  CHECK(*first.find("seed")->as_int() != *second.find("seed")->as_int());
}

TEST_CASE("a long prompt is read off the strand and answered the same") {
  net_stage stage;
  client reader(stage.port());
  std::string prompt(90'000, 'x');
  auto json =
      parse(reader.post("/generate", R"({"max_tokens": 3, "prompt": ")" + prompt + "\"}").body);
  CHECK(text_of(json) == "xxx");
  CHECK(usage_of(json, "prompt_tokens") == 90'000);
  auto wrong = reader.post("/generate", R"({"prompt": ")" + prompt + R"(", "max_token": 3})");
  CHECK(wrong.status == 400);
}

TEST_CASE("many clients at once") {
  net_stage stage({.num_io_threads = 2});
  stage.script().pace_ms = 1;
  constexpr int num_clients = 200;
  std::vector<std::unique_ptr<client>> readers;
  for (int i = 0; i < num_clients; ++i) {
    readers.push_back(std::make_unique<client>(stage.port()));
    auto prompt = std::to_string(i) + ".";
    readers.back()->send(client::post_text("/generate", R"({"prompt": ")" + prompt +
                                                            R"(", "max_tokens": 20, "stream": )" +
                                                            (i % 2 ? "true}" : "false}")));
  }
  for (int i = 0; i < num_clients; ++i) {
    auto answer = readers[static_cast<std::size_t>(i)]->receive();
    REQUIRE(answer.status == 200);
    auto text = i % 2 ? join_events(answer.body).text : text_of(parse(answer.body));
    std::string expected;
    while (expected.size() < 20) expected += std::to_string(i) + ".";
    CHECK(text == expected.substr(0, 20));
  }
  CHECK(eventually([&] { return stage.front().num_requests() == 0; }));
}

TEST_CASE("the other routes answer") {
  net_stage stage;
  client reader(stage.port());
  CHECK(reader.get("/health").status == 200);
  CHECK(reader.get("/ready").status == 200);
  CHECK(reader.get("/version").body.find("byte-echo") != std::string::npos);
  auto metrics = reader.get("/metrics");
  CHECK(metrics.status == 200);
  CHECK(metrics.header("Content-Type").starts_with("text/plain"));
  CHECK(metrics.body.find("# TYPE") != std::string::npos);
  stage.script().is_ready = false;
  auto not_ready = reader.get("/ready");
  CHECK(not_ready.status == 503);
  CHECK(not_ready.body.find("the executor restarts") != std::string::npos);
  reader.send("HEAD /version HTTP/1.1\r\nHost: a\r\n\r\n");
  auto head = reader.receive_until("\r\n\r\n");
  CHECK(head.find("Content-Length: ") != std::string::npos);
  CHECK(reader.get("/version").status == 200);  // no body came between
}

// As text: a derived seed needs all 64 bits.
std::string seed_of(const json_value& choice) {
  std::string text;
  append_json(text, *choice.find("seed"));
  return text;
}

const json_array& choices_of(const json_value& answer) {
  auto* choices = answer.find("choices");
  REQUIRE(choices != nullptr);
  return *choices->as_array();
}

TEST_CASE("several prompts and several answers to each come as choices") {
  net_stage stage;
  client reader(stage.port());
  auto answer = parse(reader
                          .post("/generate", R"({"prompt": ["ab", [99, 100, 101]], "n": 2,
      "max_tokens": 3, "seed": 5, "echo": true, "return_token_ids": true})")
                          .body);
  auto& choices = choices_of(answer);
  REQUIRE(choices.size() == 4);
  CHECK(text_of(choices[0]) == "ababa");
  CHECK(text_of(choices[1]) == "ababa");
  CHECK(text_of(choices[2]) == "cdecde");
  CHECK(*choices[3].find("index")->as_int() == 3);
  CHECK(seed_of(choices[0]) == "5");
  CHECK(seed_of(choices[2]) == "5");
  CHECK(seed_of(choices[1]) == seed_of(choices[3]));
  CHECK(seed_of(choices[1]) != seed_of(choices[0]));
  CHECK(choices[2].find("token_ids")->as_array()->size() == 3);
  // A prompt counts once, every answer counts.
  CHECK(usage_of(answer, "prompt_tokens") == 5);
  CHECK(usage_of(answer, "completion_tokens") == 12);
}

TEST_CASE("a stream of several answers says whose each piece is") {
  net_stage stage;
  stage.script().pace_ms = 1;
  client reader(stage.port());
  auto answer = reader.post(
      "/generate", R"({"prompt": ["abc", "xyz"], "max_tokens": 9, "stream": true, "echo": true})");
  auto events = events_of(answer.body);
  CHECK(events.back() == "[DONE]");
  events.pop_back();
  std::vector<std::string> texts(2);
  int num_ends = 0;
  for (auto& text : events) {
    auto event = parse(text);
    texts.at(static_cast<std::size_t>(*event.find("index")->as_int())) += text_of(event);
    num_ends += event.find("finish_reason") != nullptr ? 1 : 0;
  }
  CHECK(texts == std::vector<std::string>{"abcabcabcabc", "xyzxyzxyzxyz"});
  CHECK(num_ends == 2);
}

TEST_CASE("best_of counts every answer and shows n") {
  net_stage stage;
  client reader(stage.port());
  auto answer = parse(
      reader.post("/generate", R"({"prompt": "ab", "n": 2, "best_of": 5, "max_tokens": 4})").body);
  CHECK(choices_of(answer).size() == 2);
  CHECK(choices_of(answer)[0].find("logprobs") == nullptr);
  CHECK(usage_of(answer, "completion_tokens") == 20);
}

TEST_CASE("one failing answer of several fails the call and cancels the others") {
  net_stage stage;
  stage.script().pace_ms = 1;
  stage.script().fail_after = 5;
  client reader(stage.port());
  auto answer = reader.post("/generate", R"({"prompt": "ab", "n": 3, "max_tokens": 50})");
  CHECK(answer.status == 500);
  CHECK(eventually([&] { return stage.script().num_running == 0; }));
}

}  // namespace
}  // namespace troupe::test
