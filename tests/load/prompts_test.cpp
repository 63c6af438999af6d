#include "load/prompts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "load/request_form.hpp"
#include "text/json.hpp"

using namespace troupe;
using namespace troupe::load;
using counts = std::vector<std::uint32_t>;

TEST_CASE("made prompts depend on seed and key alone, and have their length") {
  prompt_options options{.seed = 3, .words = 20};
  auto prompts = make_synthetic_prompts(options), again = make_synthetic_prompts(options);
  CHECK(prompts->make(5).turns == again->make(5).turns);
  CHECK(prompts->make(5).turns != prompts->make(6).turns);
  options.seed = 4;
  CHECK(make_synthetic_prompts(options)->make(5).turns != prompts->make(5).turns);
  auto text = prompts->make(5).turns[0];
  CHECK(std::count(text.begin(), text.end(), ' ') == 19);
  CHECK(prompts->make(5).max_tokens == counts{0});
}

TEST_CASE("shared prefixes are shared, by all that have them") {
  auto prompts = make_synthetic_prompts(
      {.words = 5, .max_tokens = length_distribution(7), .prefix_words = 50, .num_prefixes = 3});
  std::set<std::string> beginnings;
  for (std::uint64_t key = 0; key < 100; ++key) {
    auto talk = prompts->make(key);
    auto& text = talk.turns[0];
    std::size_t at = 0;
    for (int blanks = 0; blanks < 50; ++at) blanks += text[at] == ' ' ? 1 : 0;
    beginnings.insert(text.substr(0, at));
    CHECK(talk.max_tokens == counts{7});
  }
  CHECK(beginnings.size() == 3);
}

TEST_CASE("prompts of JSON lines") {
  auto prompts = parse_prompts(
      "\"one\"\n"
      "{\"prompt\": \"two\", \"max_tokens\": 9}\n\n"
      "{\"messages\": [{\"role\": \"system\", \"content\": \"be\"},"
      "{\"role\": \"user\", \"content\": \"three\"}]}\n",
      {.max_tokens = length_distribution(5)});
  REQUIRE(prompts);
  CHECK((*prompts)->make(0).turns == std::vector<std::string>{"one"});
  CHECK((*prompts)->make(0).max_tokens == counts{5});
  CHECK((*prompts)->make(4).max_tokens == counts{9});
  auto third = (*prompts)->make(2);
  REQUIRE(third.history.size() == 1);
  CHECK(third.history[0].content == "be");
  CHECK(third.turns == std::vector<std::string>{"three"});
}

TEST_CASE("prompts of ShareGPT: what people said, at most so many turns") {
  std::string text = R"([
    {"id": "a", "conversations": [{"from": "human", "value": "q1"}, {"from": "gpt", "value": "a1"},
                                  {"from": "human", "value": "q2"}]},
    {"id": "b", "conversations": [{"from": "gpt", "value": "only an answer"}]}])";
  auto all = parse_prompts(text, {.turns = 10});
  REQUIRE(all);
  CHECK((*all)->make(0).turns == std::vector<std::string>{"q1", "q2"});
  CHECK((*all)->make(1).turns == std::vector<std::string>{"q1", "q2"});
  auto first = parse_prompts(text, {});
  CHECK((*first)->make(0).turns == std::vector<std::string>{"q1"});
}

TEST_CASE("what is no prompt is refused with its line") {
  for (auto text : {"", "[]", "{}", "3", "{\"prompt\": 3}", "{\"messages\": []}", "not json",
                    R"({"messages": [{"role": "assistant", "content": "x"}]})"})
    CHECK(!parse_prompts(text, {}));
  auto refused = parse_prompts("\"fine\"\n{}\n", {});
  REQUIRE(!refused);
  CHECK(refused.error().message.starts_with("line 2"));
}

TEST_CASE("bodies for each API") {
  conversation talk{{{"system", "be"}}, {"q1", "q2"}, {4, 0}};
  request_form form{.model = "m", .temperature = 0.5, .ignore_eos = true};
  CHECK(form.body(talk, 0, {}, false) ==
        R"({"model":"m","messages":[{"role":"system","content":"be"},)"
        R"({"role":"user","content":"q1"}],"max_tokens":4,"temperature":0.5,"ignore_eos":true,)"
        R"("stream":true,"stream_options":{"include_usage":true}})");
  std::vector<std::string> answers{"a1"};
  form.api = api_kind::completions;
  form.is_stream = false;
  form.schema = R"({"type":"object"})";
  form.extra = R"("top_p":0.9)";
  CHECK(form.body(talk, 1, answers, true) ==
        R"({"model":"m","prompt":"be\nq1a1\nq2","temperature":0,"ignore_eos":true,)"
        R"("stream":false,"response_format":{"type":"json_schema","json_schema":{"name":"answer",)"
        R"("strict":true,"schema":{"type":"object"}}},"top_p":0.9})");
  form.api = api_kind::generate;
  auto json = parse_json(form.body(talk, 1, answers, false));
  REQUIRE(json);
  CHECK(json->find("json_schema") != nullptr);
  CHECK(json->find("model") == nullptr);
}
