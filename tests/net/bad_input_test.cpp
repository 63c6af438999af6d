// What a client writes wrongly is answered with 400, the field's name and what was expected, and
// the connection goes on.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "net/sampling_fields.hpp"
#include "net_stage.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

struct row {
  std::string fields;    // after "prompt": "abc"
  const char* param;     // nullptr: it is fine
  const char* expected;  // a part of the message
};

const std::vector<row> rows{
    {R"("max_tokens": 1)", nullptr, ""},
    {R"("max_tokens": null, "stop": null)", nullptr, ""},
    {R"("max_tokens": 0)", "max_tokens", "an integer from 1"},
    {R"("max_tokens": -1)", "max_tokens", "found -1"},
    {R"("max_tokens": 1.0)", "max_tokens", "an integer from 1"},
    {R"("max_tokens": "5")", "max_tokens", "found a string"},
    {R"("max_tokens": true)", "max_tokens", "found true"},
    {R"("max_tokens": 9223372036854775808)", "max_tokens", "an integer"},
    {R"("max_tokens": 99998)", "max_tokens", "context of 100000"},
    {R"("temperature": 2.1)", "temperature", "a number from 0 to 2, found 2.1"},
    {R"("temperature": -1)", "temperature", "from 0 to 2"},
    {R"("temperature": -0)", nullptr, ""},
    {R"("temperature": "hot")", "temperature", "a number"},
    {R"("temperature": [])", "temperature", "found an array"},
    {R"("top_p": 0)", "top_p", "above 0 and up to 1"},
    {R"("top_p": 1e-60)", "top_p", "above 0"},
    {R"("top_p": 1.1)", "top_p", "up to 1"},
    {R"("top_k": -1)", nullptr, ""},
    {R"("top_k": -2)", "top_k", "from -1"},
    {R"("min_p": 1.5)", "min_p", "from 0 to 1"},
    {R"("frequency_penalty": 3)", "frequency_penalty", "from -2 to 2"},
    {R"("presence_penalty": -3)", "presence_penalty", "from -2 to 2"},
    {R"("repetition_penalty": 0)", "repetition_penalty", "above 0"},
    {R"("seed": 18446744073709551615)", nullptr, ""},
    {R"("seed": -5)", nullptr, ""},
    {R"("seed": 1.5)", "seed", "an integer"},
    {R"("min_tokens": 4, "max_tokens": 3)", "min_tokens", "at most max_tokens, which is 3"},
    {R"("stop": "")", "stop", "1 to 256 bytes"},
    {R"("stop": ["a", 1])", "stop", "found 1"},
    {R"("stop": [[]])", "stop", "found an array"},
    {R"("stop": ["a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a"])", "stop",
     "at most 16 strings"},
    {R"("stop_token_ids": [259])", nullptr, ""},
    {R"("stop_token_ids": [260])", "stop_token_ids", "from 0 to 259, found 260"},
    {R"("stop_token_ids": 3)", "stop_token_ids", "a list"},
    {R"("ignore_eos": 1)", "ignore_eos", "a boolean, found 1"},
    {R"("stream": "yes")", "stream", "a boolean"},
    {R"("logprobs": 21)", "logprobs", "from 0 to 20"},
    {R"("logprobs": -1)", "logprobs", "from 0 to 20"},
    {R"("logit_bias": {"5": 1.5, "259": -100})", nullptr, ""},
    {R"("logit_bias": [[5, 1], [6, -1]])", nullptr, ""},
    {R"("logit_bias": {"260": 1})", "logit_bias", "from 0 to 259"},
    {R"("logit_bias": {"-1": 1})", "logit_bias", "token ids"},
    {R"("logit_bias": {"a": 1})", "logit_bias", "token ids"},
    {R"("logit_bias": {"5 ": 1})", "logit_bias", "token ids"},
    {R"("logit_bias": {"5": 101})", "logit_bias", "-100 to 100"},
    {R"("logit_bias": {"5": 1, "05": 1})", "logit_bias", "twice"},
    {R"("logit_bias": [[5]])", "logit_bias", "pairs"},
    {R"("logit_bias": 5)", "logit_bias", "an object or a list"},
    {R"("priority": 1e9)", "priority", "an integer"},
    {R"("max_token": 5)", "max_token", "there is no field \"max_token\""},
    // A long name is shown cut, and the cut leaves characters whole.
    {R"("1234567890123456789012345678901234567\ud83d\ude00": 5)",
     "1234567890123456789012345678901234567", "4567\""},
    {R"("n": 17)", "n", "from 1 to 16"},
    {R"("n": 4, "best_of": 3)", "best_of", "from 4 to 16"},
    {R"("best_of": 2, "stream": true)", "best_of", "must equal n"},
    {R"("echo": true, "logprobs": 1)", "echo", "not offered"},
    {R"("suffix": "x")", "suffix", "there is no field"},
    {R"("model": 5)", "model", "a string"},
    {R"("model": "byte-echo")", nullptr, ""},
};

TEST_CASE("wrong fields are named, and the connection goes on") {
  net_stage stage;
  client reader(stage.port());
  for (auto& r : rows) {
    auto body = R"({"prompt": "abc", )" + r.fields + "}";
    CAPTURE(body);
    auto answer = reader.post("/generate", body);
    CHECK(answer.status == (r.param ? 400 : 200));
    if (r.param == nullptr) continue;
    auto json = parse_json(answer.body);
    REQUIRE(json);
    auto* error = json->find("error");
    REQUIRE(error != nullptr);
    CHECK(*error->find("param")->as_string() == r.param);
    CHECK(*error->find("type")->as_string() == "invalid_request_error");
    auto& message = *error->find("message")->as_string();
    CAPTURE(message);
    CHECK(message.find(r.expected) != std::string::npos);
  }
  CHECK(stage.script().num_submitted > 0);
}

TEST_CASE("bodies that are no request") {
  net_stage stage;
  client reader(stage.port());
  auto param_of = [](const std::string& body) {
    auto json = parse_json(body);
    REQUIRE(json);
    auto* param = json->find("error")->find("param")->as_string();
    return param ? *param : std::string{};
  };
  const std::vector<std::pair<std::string, std::string>> bodies{
      {"", ""},
      {"{", ""},
      {"[]", ""},
      {"\"prompt\"", ""},
      {R"({"prompt": "a"} x)", ""},
      {R"({"prompt": "a", "prompt": "b"})", ""},
      {R"({"prompt": "a", "temperature": NaN})", ""},
      {R"({"prompt": "\ud800"})", ""},
      {"{\"prompt\": \"\xff\"}", ""},
      {std::string(100'000, '['), ""},
      {"{}", "prompt"},
      {R"({"prompt": ""})", "prompt"},
      {R"({"prompt": null})", "prompt"},
      {R"({"prompt": 5})", "prompt"},
      {R"({"prompt": []})", "prompt"},
      {R"({"prompt": ["a", ""]})", "prompt"},
      {R"({"prompt": [5, 260]})", "prompt"},
      {R"({"prompt": [[5], "a", 3]})", "prompt"},
  };
  for (auto& [body, param] : bodies) {
    CAPTURE(body.substr(0, 60));
    auto answer = reader.post("/generate", body);
    CHECK(answer.status == 400);
    CHECK(param_of(answer.body) == param);
  }
  auto too_long = reader.post("/generate", R"({"prompt": ")" + std::string(100'000, 'a') + "\"}");
  CHECK(too_long.status == 400);
  CHECK(param_of(too_long.body) == "prompt");
  CHECK(too_long.body.find("100000 tokens") != std::string::npos);
  auto no_model = reader.post("/generate", R"({"prompt": "a", "model": "gpt"})");
  CHECK(no_model.status == 404);
  CHECK(stage.script().num_submitted == 0);
}

TEST_CASE("numbers beyond a double are refused") {
  net_stage stage;
  client reader(stage.port());
  CHECK(reader.post("/generate", R"({"prompt": "a", "temperature": 1e999})").status == 400);
}

TEST_CASE("seeds follow from the server's seed and the request's number") {
  CHECK(draw_seed(1, {1}) == draw_seed(1, {1}));
  CHECK(draw_seed(1, {1}) != draw_seed(1, {2}));
  CHECK(draw_seed(1, {1}) != draw_seed(2, {1}));
  CHECK(draw_seed(3, {9}) < (1ULL << 53));
}

}  // namespace
}  // namespace troupe::test
