// JSON in and out: what is accepted, what is refused and in which words, how numbers are spelled.
#include "text/json.hpp"

#include "shared_data.hpp"

#include <cmath>
#include <limits>

namespace troupe {
namespace {

std::string why(std::string_view text, json_limits limits = {}) {
  const auto value = parse_json(text, limits);
  return value ? std::string("accepted") : value.error().message;
}

std::string compact(std::string_view text) {
  const auto value = parse_json(text);
  REQUIRE_MESSAGE(value, (value ? std::string() : value.error().message));
  std::string out;
  append_json(out, *value);
  return out;
}

std::string python(std::string_view text) {
  const auto value = parse_json(text);
  REQUIRE_MESSAGE(value, (value ? std::string() : value.error().message));
  std::string out;
  append_json_python(out, *value);
  return out;
}

TEST_CASE("every file of the JSON test suite is accepted or refused as its name says") {
  if (!has_shared("jsonschema/JSONTestSuite/test_parsing")) return;
  std::size_t num_accepted = 0, num_refused = 0;
  const auto folder = shared_data() / "jsonschema/JSONTestSuite/test_parsing";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    const auto text = read_file(entry.path());
    REQUIRE(text);
    const auto value = parse_json(*text);
    // The suite leaves duplicate keys to the reader; ours refuses them.
    if (name.starts_with("y_object_duplicated_key")) {
      CHECK(!value);
    } else if (name.starts_with("y_")) {
      CHECK_MESSAGE(value, (value ? std::string() : value.error().message));
      num_accepted += value ? 1 : 0;
    } else if (name.starts_with("n_")) {
      CHECK(!value);
      if (!value) CHECK(!value.error().message.empty());
      num_refused += value ? 0 : 1;
    }
  }
  CHECK(num_accepted == 93);
  CHECK(num_refused == 188);
}

TEST_CASE("a value keeps its kind, its order and its exact integers") {
  const auto value = parse_json(R"( {"z":1,"a":[true,null,-2,1.0,"x\u00e9\ud83d\ude00"],"":{}} )");
  REQUIRE(value);
  REQUIRE(value->as_object() != nullptr);
  CHECK(value->as_object()->at(0).first == "z");
  CHECK(*value->find("z")->as_int() == 1);
  const json_array& items = *value->find("a")->as_array();
  CHECK(*items[0].as_bool());
  CHECK(items[1].is_null());
  CHECK(*items[2].as_int() == -2);
  CHECK(items[3].as_int() == nullptr);
  CHECK(*items[4].as_string() == "x\u00e9\U0001F600");
  CHECK(value->find("")->type_name() == "an object");
  CHECK(value->find("b") == nullptr);
  CHECK(items[0].find("z") == nullptr);
}

double rounded(std::string_view text) {
  double number = 1e300;
  CHECK(parse_json(text)->get_number(number));
  return number;
}

TEST_CASE("numbers: exact up to 64 bits, then the nearest double, never infinity") {
  CHECK(*parse_json("9223372036854775807")->as_int() == std::numeric_limits<std::int64_t>::max());
  CHECK(*parse_json("-9223372036854775808")->as_int() == std::numeric_limits<std::int64_t>::min());
  CHECK(std::get<std::uint64_t>(parse_json("18446744073709551615")->value()) == ~std::uint64_t{0});
  CHECK(rounded("18446744073709551616") == 18446744073709551616.0);
  CHECK(rounded("-9223372036854775809") == -9223372036854775808.0);
  CHECK(std::get<double>(parse_json("1e308")->value()) == 1e308);
  CHECK(rounded("1e-999") == 0.0);
  CHECK(rounded("-1e-999") == 0.0);
  CHECK(std::signbit(rounded("-0.0")));
  CHECK(rounded("0." + std::string(400, '0') + "1") == 0.0);
  CHECK(std::get<double>(parse_json("1" + std::string(400, '0') + "e-400")->value()) == 1.0);
  CHECK(why("1e999") == "the number \"1e999\" is too large");
  CHECK(why("[-1E+400]").find("too large") != std::string::npos);
  CHECK(why(std::string(400, '9')).find("too large") != std::string::npos);
  CHECK(why("1e99999999999999999999").find("too large") != std::string::npos);
  CHECK(rounded("1e-99999999999999999999") == 0.0);
}

TEST_CASE("a number loses no digit on its way through") {
  const auto is_double = [](std::string_view text) {
    return std::holds_alternative<double>(parse_json(text)->value());
  };
  for (const char* text : {"18446744073709551616", "-9223372036854775809",
                           "123456789012345678901234567890", "0.12345678901234567890",
                           "9007199254740993.5", "1e-999", "4.9e-325", "1.00000000000000001"}) {
    CAPTURE(text);
    CHECK(compact(text) == text);
    CHECK(parse_json(text)->is_number());
    CHECK(parse_json(text)->type_name() == "a number");
  }
  for (const char* text :
       {"0.1", "0.30000000000000004", "1e308", "1.7976931348623157e308", "5e-324", "-0.0",
        "0.10000000000000000000", "123456789012345e-300", "0e999"}) {
    CAPTURE(text);
    CHECK(is_double(text));
  }
  CHECK(rounded("1.00000000000000001") == 1.0);
}

TEST_CASE("wide numbers as Python writes them: integers whole, others as doubles") {
  CHECK(python("[18446744073709551616,1.00000000000000001]") == "[18446744073709551616, 1.0]");
}

TEST_CASE("refusals say what and where") {
  CHECK(why("") == "the JSON text is empty");
  CHECK(why(" \n") == "the JSON text is empty");
  CHECK(why("\xEF\xBB\xBF{}") == "the JSON text begins with a byte order mark");
  CHECK(why(R"({"a":1,"b":2,"a":3})") == "the key \"a\" stands twice in one object");
  CHECK(why(R"({"a":1,"\u0061":3})") == "the key \"a\" stands twice in one object");
  CHECK(why("{} {}").find("goes on after its value at byte 3") != std::string::npos);
  // Later versions of simdjson find these on their own and name the place less exactly.
  for (const char* text : {"[1] x", "\"a\" 1", "{} 1", "[][]", "1 2"}) {
    CAPTURE(text);
    const std::string reason = why(text);
    CHECK((reason.find("goes on after its value") != std::string::npos ||
           reason.starts_with("the JSON text is malformed")));
  }
  CHECK(why("[1, tru]") == "the JSON text is malformed: \"tru\" is no value at byte 4");
  CHECK(why("nul") == "the JSON text is malformed: \"nul\" is no value");
  CHECK(why("[\"\xC3(\"]") == "the JSON text is not valid UTF-8 at byte 2");
  CHECK(why("[\"\xEF\xBF\xBD\xE4\xBD\"]") == "the JSON text is not valid UTF-8 at byte 5");
  CHECK(why("[\"ab") == "the JSON text ends inside a string");
  CHECK(why("[\"a\nb\"]") == "a string of the JSON text holds an unescaped control character");
  for (const char* lone : {R"(["\ud800"])", R"(["\udc00"])", R"(["\ud800\u0041"])",
                           R"({"\ud800":1})", R"("\udfff")", R"(["\ud83dx"])"}) {
    CHECK(why(lone).find("invalid escape") != std::string::npos);
  }
}

TEST_CASE("depth and number of values are bounded") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(why(nested(64)) == "accepted");
  CHECK(why(nested(65)).starts_with("the JSON text is nested deeper than 64 levels"));
  CHECK(why(nested(100'000)).starts_with("the JSON text is nested deeper than 64 levels"));
  CHECK(why(R"({"a":{"b":1}})", {.max_depth = 2}) == "accepted");
  CHECK(why(R"({"a":{"b":[]}})", {.max_depth = 2}).find("deeper than 2") != std::string::npos);
  CHECK(why("[1,2,3]", {.max_values = 4}) == "accepted");
  CHECK(why("[1,2,3,4]", {.max_values = 4}) == "the JSON text holds more than 4 values");
}

TEST_CASE("a hundred thousand keys are checked for duplicates quickly") {
  std::string text = "{";
  for (int i = 0; i < 150'000; ++i) text += "\"key" + std::to_string(i) + "\":0,";
  CHECK(why(text + "\"last\":1}") == "accepted");
  CHECK(why(text + "\"key77777\":1}") == "the key \"key77777\" stands twice in one object");
}

TEST_CASE("writing") {
  CHECK(compact(R"( { "a" : [ 1 , 2.5 , "x/\/\u001f\u007f\"\\\b\f\n\r\t" ] , "b" : null } )") ==
        "{\"a\":[1,2.5,\"x//\\u001f\x7f\\\"\\\\\\b\\f\\n\\r\\t\"],\"b\":null}");
  CHECK(python(R"({"a":[1,true,{}],"b":[]})") == R"({"a": [1, true, {}], "b": []})");
  CHECK(python(R"("\u4f60<é&'>")") == "\"\u4f60<\u00e9&'>\"");
  std::string out;
  append_json(out, json_value(std::nan("")));
  append_json(out, json_value(-std::numeric_limits<double>::infinity()));
  CHECK(out == "nullnull");
}

TEST_CASE("doubles are spelled as Python spells them") {
  const std::pair<const char*, const char*> cases[] = {
      {"1.0", "1.0"},       {"-0.0", "-0.0"},
      {"1e16", "1e+16"},    {"1e15", "1000000000000000.0"},
      {"0.0001", "0.0001"}, {"0.00001", "1e-05"},
      {"1e5", "100000.0"},  {"0.1", "0.1"},
      {"2.50", "2.5"},      {"9007199254740993.0", "9007199254740992.0"},
      {"1e100", "1e+100"},  {"1.5e300", "1.5e+300"},
      {"5e-324", "5e-324"}, {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"3.14", "3.14"},     {"123456789012345678.0", "1.2345678901234568e+17"},
      {"-0", "0"},          {"9999999999999998.0", "9999999999999998.0"},
  };
  for (const auto& [text, spelled] : cases) CHECK(python(text) == spelled);
}

}  // namespace
}  // namespace troupe
