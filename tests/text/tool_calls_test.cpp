// Tool calls out of answers that come in pieces: the recorded answers, and our own decisions.
#include "text/tool_calls.hpp"

#include "shared_data.hpp"

#include "text/detokenizer.hpp"
#include "text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <utility>

namespace troupe {
namespace {

struct parsed {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments

  bool operator==(const parsed&) const = default;
};

void collect(parsed& out, const std::vector<tool_delta>& deltas) {
  for (const tool_delta& delta : deltas) {
    if (!delta.call_idx) {
      CHECK(delta.name.empty());
      CHECK(!delta.text.empty());
      out.content += delta.text;
      continue;
    }
    if (!delta.name.empty()) {
      CHECK(*delta.call_idx == out.calls.size());
      out.calls.emplace_back(delta.name, "");
    }
    REQUIRE(*delta.call_idx + 1 == out.calls.size());
    out.calls.back().second += delta.text;
  }
}

using cutter = std::function<std::size_t(std::size_t num_left)>;

parsed parse(std::string_view text, const cutter& cut) {
  tool_call_parser parser;
  parsed out;
  while (!text.empty()) {
    const std::size_t num_bytes = cut(text.size());
    collect(out, parser.push(text.substr(0, num_bytes)));
    text.remove_prefix(num_bytes);
  }
  collect(out, parser.finish());
  CHECK(parser.num_calls() == out.calls.size());
  return out;
}

std::size_t one_byte(std::size_t) { return 1; }
std::size_t everything(std::size_t num_left) { return num_left; }

// The result, which must not depend on the cuts.
parsed parse(std::string_view text) {
  const parsed whole = parse(text, everything);
  CHECK(parse(text, one_byte) == whole);
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    const auto some = [&](std::size_t left) {
      return std::min<std::size_t>(left, 1 + random() % 9);
    };
    REQUIRE(parse(text, some) == whole);
  }
  return whole;
}

parsed call(std::string arguments) {
  return {.content = "", .calls = {{"f", std::move(arguments)}}};
}
parsed content(std::string_view text) { return {.content = std::string(text), .calls = {}}; }

parsed expectation(const json_value& row) {
  const json_value* wanted = row.find("expect");
  REQUIRE(wanted != nullptr);
  parsed out;
  if (!wanted->find("content")->is_null()) out.content = string_of(*wanted, "content");
  for (const json_value& one : *wanted->find("tool_calls")->as_array()) {
    out.calls.emplace_back(string_of(one, "name"), string_of(one, "arguments_text"));
  }
  return out;
}

TEST_CASE("the recorded answers, by byte, at once, in random pieces") {
  if (!has_shared("qwen2_5/toolcall_public.jsonl")) return;
  for (const json_value& row : read_json_lines("qwen2_5/toolcall_public.jsonl")) {
    CAPTURE(string_of(row, "id"));
    CHECK(parse(string_of(row, "text")) == expectation(row));
  }
}

TEST_CASE("the recorded answers, by token") {
  if (!has_shared("qwen2_5/toolcall_public.jsonl")) return;
  auto loaded = tokenizer::load(shared_data() / "qwen2_5");
  REQUIRE(loaded);
  const auto words = std::make_shared<const tokenizer>(*std::move(loaded));
  for (const json_value& row : read_json_lines("qwen2_5/toolcall_public.jsonl")) {
    CAPTURE(string_of(row, "id"));
    detokenizer text(words, {});
    tool_call_parser parser;
    parsed out;
    for (const auto token : ids_of(row, "ids")) {
      text.push(token);
      collect(out, parser.push(text.take()));
    }
    text.finish();
    collect(out, parser.push(text.take()));
    collect(out, parser.finish());
    CHECK(out == expectation(row));
  }
}

using deltas = std::vector<tool_delta>;

TEST_CASE("only a beginning of the tag and the blanks before it are held back") {
  tool_call_parser parser;
  CHECK(parser.push("a <") == deltas{{.text = "a"}});
  CHECK(parser.push("tool").empty());
  CHECK(parser.push("s> \n") == deltas{{.text = " <tools>"}});
  CHECK(parser.push("b") == deltas{{.text = " \nb"}});
  CHECK(parser.push("<<tool_call>{\"name\":\"f\",\"arguments\":").size() == 1);
  CHECK(parser.push("{\"a") == deltas{{.call_idx = 0, .name = "f", .text = "{\"a"}});
  CHECK(parser.push("b\":") == deltas{{.call_idx = 0, .text = "b\":"}});
  CHECK(parser.push("1}}</tool_call>") == deltas{{.call_idx = 0, .text = "1}"}});
  CHECK(parser.finish().empty());
}

constexpr const char* good = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";

TEST_CASE("blanks beside a call belong to nobody, those between contents do") {
  CHECK(parse(std::string("A\n") + good + "\n B ") ==
        parsed{.content = "A\n B ", .calls = {{"f", "{}"}}});
  CHECK(parse(std::string(good) + "\nB") == parsed{.content = "B", .calls = {{"f", "{}"}}});
  CHECK(parse(std::string(good) + "\n" + good + "\n") ==
        parsed{.content = "", .calls = {{"f", "{}"}, {"f", "{}"}}});
  CHECK(parse(std::string(good) + good + " <tool_") ==
        parsed{.content = "<tool_", .calls = {{"f", "{}"}, {"f", "{}"}}});
}

TEST_CASE("a malformed block is content, letter by letter, and the good ones stay calls") {
  for (const char* bad : {"<tool_call></tool_call>",
                          "<tool_call>\n\n</tool_call>",
                          "<tool_call>f(x)</tool_call>",
                          "<tool_call>[1]</tool_call>",
                          "<tool_call>{}</tool_call>",
                          "<tool_call>{'name': 'f'}",
                          "<tool_call>{\"name\": 7, \"arguments\": {}}</tool_call>",
                          "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>",
                          "<tool_call>{\"name\": \"f\\x\"}</tool_call>",
                          "<tool_call>{\"name\": \"f\nx\"}</tool_call>",
                          "<tool_call>{\"arguments\": {}}</tool_call>",
                          "<tool_call>{\"name\" \"f\"}</tool_call>",
                          "<tool_call>{\"arguments\": {\"x\": 1, \"name\": \"f\"}\n</tool_call>",
                          "<tool_call>{\"arguments\": {\"x\": \"1}\n</tool_call>",
                          "<tool_call>{\"name\": \"f\",}</tool_call>",
                          "<tool_call>{\"name\": \"f\"\n</tool_call>",
                          "<tool_call>{\"name\": \"f\", \"arguments\": nil}</tool_call>",
                          "<tool_call>{\"name\": \"f\", \"arguments\": (1)}</tool_call>",
                          "<tool_call>{\"nam",
                          "<tool_call>{\"name\": \"f",
                          "<tool_call> ",
                          "<tool_ca",
                          "a </tool_call> b",
                          "<tool_call x>"}) {
    CAPTURE(bad);
    CHECK(parse(bad) == content(bad));
    const std::string bare = bad;
    if (!bare.ends_with("</tool_call>")) continue;
    CHECK(parse(std::string(" ") + bad + "\n" + good) ==
          parsed{.content = std::string(" ") + bad, .calls = {{"f", "{}"}}});
  }
  CHECK(parse(std::string("<tool_call>\nno\n") + good) ==
        parsed{.content = "<tool_call>\nno", .calls = {{"f", "{}"}}});
}

TEST_CASE("the arguments are the bytes of their value") {
  const auto with = [](std::string_view value) {
    return parse("<tool_call>{\"name\": \"f\", \"arguments\": " + std::string(value) +
                 "}</tool_call>");
  };
  for (const char* value : {"{ \"a\" : [ 1e5 , {} ] }", "[]", "7", "-1.50", "true",
                            "{\"a\": \"</tool_call>\"}", "{\"a\": \"\\\\\", \"b\": \"\\\"}\"}"}) {
    CHECK(with(value) == call(value));
  }
  CHECK(with("null") == call("{}"));
  CHECK(with("\"\"") == call("{}"));
  CHECK(with("\"{\\\"a\\\": \\\"\\u4f60\\ud83d\\ude00\\n\\\"}\"") ==
        call("{\"a\": \"\u4f60\U0001F600\n\"}"));
  CHECK(with("\"\\ud83d \\ude00\\ud83d\\u0041\\ud83d\"") == call("\ufffd \ufffd\ufffdA\ufffd"));
  CHECK(with("{\"a\": 1}, \"arguments\": {\"b\": 2}, \"name\": \"g\"") == call("{\"a\": 1}"));
}

TEST_CASE("once a call is announced it stays one, as far as its arguments go") {
  const std::string begin = "<tool_call>{\"name\": \"f\", \"arguments\": ";
  CHECK(parse(begin + "{\"x\": 1\n</tool_call>") == call("{\"x\": 1\n"));
  CHECK(parse(begin + "{\"x\": \"1}\n</tool_call>z") ==
        parsed{.content = "z", .calls = {{"f", "{\"x\": \"1}"}}});
  CHECK(parse(begin + "{\"x\": \"1\n2\n\n</tool\"}}") == call("{\"x\": \"1\n2\n\n</tool\"}"));
  CHECK(parse(begin + "{\"x\": \"1\n</to") == call("{\"x\": \"1\n</to"));
  CHECK(parse(begin + "\"a\\xb\"}</tool_call>") == call("a"));
  CHECK(parse(begin + "12") == call("12"));
  CHECK(parse(begin) == call(""));
  CHECK(parse("<tool_call>{\"arguments\": {\"y\": 2}, \"name\": \"f\"") == call("{\"y\": 2}"));
}

TEST_CASE("after a call's object only a tag or text matters") {
  const std::string open = "<tool_call>{\"name\": \"f\", \"arguments\": {}}";
  const auto twice = parsed{.content = "", .calls = {{"f", "{}"}, {"f", "{}"}}};
  CHECK(parse(open + "}] junk <tool> </tool_call>") == call("{}"));
  CHECK(parse(open + "\n" + good) == twice);
  CHECK(parse(open + "} and <tool_" + good) ==
        parsed{.content = "and <tool_", .calls = {{"f", "{}"}, {"f", "{}"}}});
  CHECK(parse(open + "\nIt is done.\n") ==
        parsed{.content = "It is done.\n", .calls = {{"f", "{}"}}});
  CHECK(parse(open + "\n</tool_c") == parsed{.content = "</tool_c", .calls = {{"f", "{}"}}});
}

TEST_CASE("random bytes of calls end somewhere, the same for every cut") {
  const std::vector<std::string_view> bits = {"<tool_call>", "</tool_call>",
                                              "{",           "}",
                                              "[",           "]",
                                              "\"name\"",    "\"arguments\"",
                                              "\"f\"",       ":",
                                              ",",           "\n",
                                              "\"",          "\\",
                                              "a",           "1",
                                              "null",        "<"};
  std::mt19937 random(11);
  for (int round = 0; round < 2'000; ++round) {
    std::string text = round % 2 == 0 ? "<tool_call>{\"name\":\"f\",\"arguments\":{" : "";
    for (std::size_t i = 0, n = random() % 30; i < n; ++i) text += bits[random() % bits.size()];
    CAPTURE(text);
    const auto whole = parse(text, everything);
    REQUIRE(parse(text, one_byte) == whole);
    if (text.find("<tool_call>") == std::string::npos) CHECK(whole == content(text));
  }
}

}  // namespace
}  // namespace troupe
