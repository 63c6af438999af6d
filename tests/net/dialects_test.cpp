// The APIs of others as their clients see them: SGLang's, TGI's, OpenAI's completions, vLLM's
// tokenize.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

// The value at a path such as "choices.0.text".
const json_value& at(const json_value& from, std::string_view path) {
  if (path.empty()) return from;
  auto end = std::min(path.find('.'), path.size());
  auto key = path.substr(0, end);
  auto rest = path.substr(std::min(end + 1, path.size()));
  auto* list = from.as_array();
  if (list != nullptr)
    return at(list->at(static_cast<std::size_t>(std::stoi(std::string(key)))), rest);
  auto* member = from.find(key);
  REQUIRE_MESSAGE(member != nullptr, std::string(key));
  return at(*member, rest);
}

std::string shown(const json_value& from, std::string_view path) {
  std::string out;
  append_json(out, at(from, path));
  return out;
}

std::vector<json_value> events_of(std::string_view body, bool says_done) {
  std::vector<json_value> out;
  bool was_done = false;
  while (!body.empty()) {
    auto end = body.find("\n\n");
    REQUIRE(end != std::string_view::npos);
    REQUIRE(body.substr(0, 6) == "data: ");
    auto data = body.substr(6, end - 6);
    was_done = data == "[DONE]";
    if (!was_done) out.push_back(parse(std::string(data)));
    body.remove_prefix(end + 2);
  }
  CHECK(was_done == says_done);
  return out;
}

struct called {
  net_stage stage;
  client reader{stage.port()};
  json_value post(const std::string& path, const std::string& body, int status = 200) {
    auto answer = reader.post(path, body);
    CHECK_MESSAGE(answer.status == status, answer.body);
    return parse(answer.body);
  }
};

TEST_CASE("SGLang: one answer is an object, a batch a list") {
  called c;
  auto one = c.post("/generate", R"({"text": "ab", "sampling_params": {"max_new_tokens": 3},
      "return_logprob": true, "top_logprobs_num": 1, "rid": "mine"})");
  CHECK(shown(one, "text") == R"("aba")");
  CHECK(shown(one, "output_ids") == "[97,98,97]");
  CHECK(shown(one, "meta_info.finish_reason") == R"({"type":"length","length":3})");
  CHECK(shown(one, "meta_info.id") == R"("mine")");
  CHECK(shown(one, "meta_info.prompt_tokens") == "2");
  CHECK(shown(one, "meta_info.completion_tokens") == "3");
  CHECK(shown(one, "meta_info.output_token_logprobs.0") == "[-0.5,97,null]");
  auto batch = c.post("/generate", R"({"input_ids": [[97, 98, 99], [120]],
      "sampling_params": [{"max_new_tokens": 2, "stop": "b"}, {"max_new_tokens": 1, "n": 2}]})");
  REQUIRE(batch.as_array()->size() == 3);
  CHECK(shown(batch, "0.text") == R"("a")");
  CHECK(shown(batch, "0.meta_info.finish_reason") == R"({"type":"stop","matched":"b"})");
  CHECK(shown(batch, "2.text") == R"("x")");
}

TEST_CASE("SGLang: the text of a stream is cumulative") {
  called c;
  c.stage.script().pace_ms = 1;
  auto answer = c.reader.post("/generate", R"({"text": "abc", "stream": true,
      "sampling_params": {"max_new_tokens": 7}})");
  auto events = events_of(answer.body, true);
  REQUIRE(events.size() >= 2);
  CHECK(shown(events.front(), "meta_info.finish_reason") == "null");
  CHECK(shown(events.back(), "text") == R"("abcabca")");
  CHECK(shown(events.back(), "meta_info.finish_reason.type") == R"("length")");
}

TEST_CASE("TGI: text, details, one event a token") {
  called c;
  auto plain = c.post("/generate", R"({"inputs": "ab", "parameters": {"max_new_tokens": 3}})");
  CHECK(shown(plain, "") == R"({"generated_text":"aba"})");
  auto full = c.post("/generate", R"({"inputs": "ab", "parameters": {"max_new_tokens": 3,
      "return_full_text": true, "details": true, "top_n_tokens": 1, "do_sample": true,
      "seed": 4, "best_of": 2}})");
  CHECK(shown(full, "generated_text") == R"("ababa")");
  CHECK(shown(full, "details.finish_reason") == R"("length")");
  CHECK(shown(full, "details.seed") == "4");
  CHECK(shown(full, "details.tokens.1") ==
        R"({"id":98,"text":"b","logprob":-0.5,"special":false})");
  CHECK(at(full, "details.best_of_sequences").as_array()->size() == 1);
  for (const std::string path : {"/generate_stream", "/generate"}) {
    auto answer = c.reader.post(path, R"({"inputs": "ab", "stream": true,
        "parameters": {"max_new_tokens": 3, "stop": ["xx"]}})");
    auto events = events_of(answer.body, false);
    REQUIRE(events.size() == 3);
    CHECK(shown(events[0], "token.text") == R"("a")");
    CHECK(shown(events[0], "generated_text") == "null");
    CHECK(shown(events[2], "index") == "3");
    CHECK(shown(events[2], "generated_text") == R"("aba")");
    CHECK(shown(events[2], "details.seed") == "null");  // greedy
    CHECK(shown(events[2], "details.input_length") == "2");
  }
}

TEST_CASE("TGI: refusals have its own form") {
  called c;
  auto wrong = c.post("/generate", R"({"inputs": "a", "parameters": {"top_p": 2}})", 422);
  CHECK(shown(wrong, "error_type") == R"("validation")");
  CHECK(at(wrong, "error").as_string()->find("parameters.top_p") != std::string::npos);
  c.post("/generate_stream", "{", 422);
  c.post("/generate_stream", R"({"prompt": "a"})", 422);
  c.stage.script().is_full = true;
  CHECK(shown(c.post("/generate", R"({"inputs": "a"})", 429), "error_type") == R"("overloaded")");
}

TEST_CASE("keys of different APIs in one body are refused") {
  called c;
  for (const std::string body :
       {R"({"prompt": "a", "text": "b"})", R"({"text": "a", "inputs": "b"})",
        R"({"prompt": "a", "sampling_params": {}})", R"({"text": "a", "max_tokens": 3})",
        R"({"text": "a", "input_ids": [1]})",
        R"({"text": "a", "sampling_params": {"max_tokens": 3}})",
        R"({"text": "a", "sampling_params": [{}, {}]})"})
    c.post("/generate", body, 400);
}

TEST_CASE("completions have OpenAI's shape") {
  called c;
  auto answer =
      c.post("/v1/completions", R"({"model": "byte-echo", "prompt": "héb", "max_tokens": 4,
      "logprobs": 2, "user": "somebody"})");
  CHECK(shown(answer, "object") == R"("text_completion")");
  CHECK(at(answer, "id").as_string()->starts_with("cmpl-"));
  CHECK(shown(answer, "choices.0.text") == R"("héb")");
  CHECK(shown(answer, "choices.0.finish_reason") == R"("length")");
  CHECK(shown(answer, "choices.0.logprobs.token_logprobs") == "[-0.5,-0.5,-0.5,-0.5]");
  // The two bytes of one character begin at the same place.
  CHECK(shown(answer, "choices.0.logprobs.text_offset") == "[0,1,1,2]");
  CHECK(shown(answer, "usage.total_tokens") == "8");
  auto several = c.post("/v1/completions", R"({"prompt": [[97], [98]], "max_tokens": 1, "n": 2,
      "best_of": 3, "echo": true})");
  CHECK(at(several, "choices").as_array()->size() == 4);
  CHECK(shown(several, "choices.3.text") == R"("bb")");
  CHECK(shown(several, "choices.3.index") == "3");
  CHECK(shown(several, "usage.completion_tokens") == "6");
}

TEST_CASE("a stream of completions ends with the usage where it is wanted") {
  called c;
  auto answer = c.reader.post("/v1/completions", R"({"prompt": "ab", "max_tokens": 3,
      "stream": true, "stream_options": {"include_usage": true}})");
  auto events = events_of(answer.body, true);
  REQUIRE(events.size() >= 2);
  CHECK(shown(events.front(), "usage") == "null");
  CHECK(shown(events.back(), "choices") == "[]");
  CHECK(shown(events.back(), "usage.completion_tokens") == "3");
  c.post("/v1/completions", R"({"prompt": "ab", "stream_options": {}})", 400);
  c.post("/v1/completions", R"({"prompt": "ab", "suffix": "x"})", 400);
}

TEST_CASE("text to tokens and back") {
  called c;
  auto tokens = c.post("/tokenize", R"({"prompt": "héb", "return_token_strs": true})");
  CHECK(shown(tokens, "count") == "4");
  CHECK(shown(tokens, "tokens") == "[104,195,169,98]");
  CHECK(shown(c.post("/detokenize", R"({"tokens": [104,195,169,98]})"), "prompt") == R"("héb")");
  CHECK(shown(c.post("/detokenize", R"({"tokens": []})"), "prompt") == R"("")");
  c.post("/detokenize", R"({"tokens": [-1]})", 400);
  c.post("/detokenize", "{}", 400);
  c.post("/tokenize", R"({"prompt": 5})", 400);
  auto models = parse(c.reader.get("/v1/models").body);
  CHECK(shown(models, "data.0.id") == R"("byte-echo")");
}

}  // namespace
}  // namespace troupe::test
