// `troupe grammar`: JSON lines in, JSON lines out, every text through the masks.
#include "cli/grammar.hpp"

#include "text/json.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>

namespace troupe {
namespace {

json_value answer(const std::string& line) {
  std::istringstream in(line + "\n");
  std::ostringstream out, err;
  CHECK(run_grammar(TROUPE_DEMO_MODEL, in, out, err) == 0);
  CHECK(err.str().empty());
  auto value = parse_json(out.str());
  REQUIRE_MESSAGE(value, out.str());
  return *std::move(value);
}

std::string spelled(const json_value* value) {
  std::string out;
  if (value != nullptr) append_json(out, *value);
  return out;
}

std::string accepted(const std::string& line) {
  const json_value value = answer(line);
  CHECK(spelled(value.find("compiled")) == "true");
  CHECK(spelled(value.find("error")) == "null");
  CHECK(value.find("compile_us")->is_number());
  return spelled(value.find("accept"));
}

// "pointer|keyword|reason"
std::string refused(const std::string& line) {
  const json_value value = answer(line);
  CHECK(spelled(value.find("compiled")) == "false");
  CHECK(value.find("accept") == nullptr);
  const json_value* error = value.find("error");
  REQUIRE(error != nullptr);
  return *error->find("pointer")->as_string() + "|" + *error->find("keyword")->as_string() + "|" +
         *error->find("reason")->as_string();
}

TEST_CASE("texts are walked through the masks") {
  CHECK(accepted(R"({"schema":{"type":"integer","minimum":5},"texts":["5","4","55","","5 "]})") ==
        "[true,false,true,false,false]");
  CHECK(accepted(R"({"regex":"a+b?","texts":["aab","b","a"]})") == "[true,false,true]");
  CHECK(accepted(R"({"choice":["yes","no"],"texts":["yes","n","nope"]})") == "[true,false,false]");
  CHECK(accepted(R"({"schema":true,"texts":[]})") == "[]");
}

TEST_CASE("a text keeps its bytes, also where a tokenizer would compose them") {
  CHECK(accepted("{\"choice\":[\"e\xCC\x81\"],\"texts\":[\"e\xCC\x81\",\"\xC3\xA9\"]}") ==
        "[true,false]");
}

TEST_CASE("options of a schema") {
  const char* blanks =
      R"({"schema":{"type":"array"},"texts":["[ 1 ]","[1]","[  1]"],"whitespace":)";
  CHECK(accepted(std::string(blanks) + "\"bounded\"}") == "[true,true,false]");
  CHECK(accepted(std::string(blanks) + "\"compact\"}") == "[false,true,false]");
  CHECK(accepted(std::string(blanks) + "\"any\"}") == "[true,true,true]");
  const std::string closed = R"({"schema":{"properties":{"a":true}},"texts":["{\"b\":1}"])";
  CHECK(accepted(closed + "}") == "[true]");
  CHECK(accepted(closed + ",\"strict\":true}") == "[false]");
  const json_value lenient =
      answer(R"({"schema":{"type":"array","uniqueItems":true},"texts":["[1, 1]"],"lenient":true})");
  const std::string warnings = spelled(lenient.find("warnings"));
  CHECK(warnings.starts_with(R"([{"pointer":"/uniqueItems","keyword":"uniqueItems","reason":")"));
}

TEST_CASE("times of all masks") {
  const json_value value = answer(R"({"regex":"[a-z]+","texts":["abc","xyz"]})");
  double last = 0;
  for (const char* name : {"p50", "p99", "max"}) {
    double time = 0;
    REQUIRE(value.find("mask_us")->find(name)->get_number(time));
    CHECK(time >= last);
    last = time;
  }
}

TEST_CASE("refusals have a pointer, a keyword and a reason") {
  CHECK(refused(R"({"schema":{"properties":{"a":{"type":"x"}}},"texts":[]})")
            .starts_with("/properties/a/type|type|"));
  CHECK(refused(R"({"regex":"(","texts":[]})").starts_with("|regex|"));
  CHECK(refused(R"({"choice":[],"texts":[]})").starts_with("|choice|"));
}

TEST_CASE("a line that cannot be read names its field") {
  CHECK(refused("nonsense").starts_with("|line|"));
  CHECK(refused("[]") == "|line|must be an object, found an array");
  CHECK(refused("{}").starts_with("|schema|is missing"));
  CHECK(refused(R"({"schema":{}})").starts_with("|texts|is missing"));
  CHECK(refused(R"({"schema":{},"texts":[1]})") ==
        "|texts|must be an array of strings, found a number");
  CHECK(refused(R"({"schema":{},"regex":"a","texts":[]})").starts_with("|regex|stands beside"));
  CHECK(refused(R"({"regex":1,"texts":[]})") == "|regex|must be a string, found a number");
  CHECK(refused(R"({"choice":"a","texts":[]})").starts_with("|choice|must be an array"));
  CHECK(refused(R"({"schema":{},"texts":[],"lenient":1})").starts_with("|lenient|must be"));
  CHECK(refused(R"({"schema":{},"texts":[],"whitespace":"some"})").starts_with("|whitespace|must"));
}

TEST_CASE("lines are answered in their order, and a bad one stops nothing") {
  std::istringstream in(
      "{\"regex\":\"a\",\"texts\":[\"a\"]}\nx\n{\"regex\":\"b\",\"texts\":[\"a\"]}");
  std::ostringstream out, err;
  CHECK(run_grammar(TROUPE_DEMO_MODEL, in, out, err) == 0);
  std::istringstream lines(out.str());
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  REQUIRE(all.size() == 3);
  CHECK(all[0].find("\"accept\":[true]") != std::string::npos);
  CHECK(all[1].find("\"compiled\":false") != std::string::npos);
  CHECK(all[2].find("\"accept\":[false]") != std::string::npos);
}

TEST_CASE("a directory without a tokenizer ends the command") {
  std::istringstream in("{}");
  std::ostringstream out, err;
  CHECK(run_grammar(std::filesystem::temp_directory_path() / "no-such-model", in, out, err) == 1);
  CHECK(out.str().empty());
  CHECK(!err.str().empty());
}

}  // namespace
}  // namespace troupe
