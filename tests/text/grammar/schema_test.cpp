// What each keyword of JSON Schema allows, combines to, and what is refused.
#include "grammar_tester.hpp"

#include <cmath>

namespace troupe {
namespace {

struct keyword_case {
  const char* schema;
  std::vector<const char*> good, bad;
};

void check(const std::vector<keyword_case>& cases) {
  for (const keyword_case& each : cases) {
    CAPTURE(each.schema);
    const auto made = of_schema(each.schema);
    for (const char* text : each.good) {
      CAPTURE(text);
      CHECK(accepts(made, text));
    }
    for (const char* text : each.bad) {
      CAPTURE(text);
      CHECK_FALSE(accepts(made, text));
    }
  }
}

TEST_CASE("numbers without a bound are finite doubles") {
  const auto made = of_schema(R"({"type":"number"})");
  for (const std::string_view text :
       {"0", "-7.25", "1e307", "9.9E+307", "-12e288", "99999999999999999999e288", "5e07", "5e007",
        "1e-999", "0e5", "-1.5e+30"}) {
    CAPTURE(text);
    CHECK(accepts(made, text));
    double value = 0;
    REQUIRE(json(text).get_number(value));
    CHECK(std::isfinite(value));
  }
  for (const std::string_view text : {"1e308", "876e711", "10e289", "-0", "-0e1", "1e", "1e+",
                                      "1e0999", "99999999999999999999e289", "00", "01e1"}) {
    CAPTURE(text);
    CHECK(!accepts(made, text));
  }
}

TEST_CASE("numbers: bounds are exact at any size") {
  check({{R"({"type":"integer","minimum":-15,"exclusiveMaximum":7})",
          {"-15", "-1", "0", "6"},
          {"-16", "7", "-0", "1.0", "1e0", "07"}},
         {R"({"type":"number","minimum":0.25,"maximum":12.5})",
          {"0.25", "0.250", "0.3", "1", "9.99", "12.5", "12.50", "12"},
          {"0.24", "0.2499999", "12.51", "13", "100", "-1", "1e0"}},
         {R"({"type":"number","exclusiveMinimum":-1.5,"exclusiveMaximum":0})",
          {"-1.4", "-0.001", "-1.49999"},
          {"-1.5", "-1.50", "0", "0.0", "-2", "-0.0"}},
         {R"({"type":"integer","minimum":9007199254740993})",
          {"9007199254740993", "10000000000000000"},
          {"9007199254740992", "9"}},
         {R"({"type":"integer","multipleOf":7,"minimum":1,"maximum":30})",
          {"7", "14", "21", "28"},
          {"0", "1", "8", "35"}},
         {R"({"type":"number","multipleOf":0.25})",
          {"0", "0.5", "1.75", "-3.250", "12"},
          {"0.3", "1.1", "0.125"}},
         {R"({"const":1.50})", {"1.5"}, {"1.50", "1", "15"}}});
}

TEST_CASE("strings: lengths count characters, patterns search") {
  check({{R"({"type":"string","minLength":2,"maxLength":3})",
          {"\"ab\"", "\"\\n\\\"x\"", "\"\xF0\x9F\x98\x80z\"", "\"\\u0001a\""},
          {"\"a\"", "\"abcd\"", "\"\xF0\x9F\x98\x80\"", "\"a\n\""}},
         {R"({"type":"string","pattern":"^a|b$"})",
          {"\"a\"", "\"axx\"", "\"xb\""},
          {"\"x\"", "\"bx\""}},
         {R"({"type":"string","pattern":"\"+"})", {"\"x\\\"\""}, {"\"x\""}},
         {R"({"type":"string","format":"date"})",
          {"\"2024-02-29\"", "\"2000-02-29\""},
          {"\"2023-02-29\"", "\"1900-02-29\"", "\"2024-04-31\""}},
         {R"({"type":"string","format":"ipv6"})",
          {"\"::\"", "\"::1\"", "\"1::\"", "\"1:2:3:4:5:6:7:8\"", "\"1:2:3:4:5:6:1.2.3.4\"",
           "\"::ffff:1.2.3.4\""},
          {"\"1\"", "\":::\"", "\"1:2:3:4:5:6:7\"", "\"1::2::3\"", "\"1:2:3:4:5:6:7:8:9\"",
           "\"12345::\""}},
         {R"({"type":"string","format":"uri"})",
          {"\"https://a.b/c?d=e#f\"", "\"mailto:x@y.z\"", "\"urn:a:b\""},
          {"\"//a.b\"", "\"a b:c\"", "\"/x\"", "\"http://[1::2::3]\""}},
         {R"({"type":"string","format":"hostname"})",
          {"\"a\"", "\"a-b.example\""},
          {"\"-a\"", "\"a-\"", "\"a..b\"", "\"xn--a\"", "\"a_b\""}}});
}

TEST_CASE("objects: order, required, others, counts") {
  check({{R"({"properties":{"a":{"type":"integer"},"b":{}},"required":["c"],"type":"object"})",
          {R"({"a": 1, "b": null, "c": 2, "d": 3})", R"({"c": []})"},
          {R"({"a": 1})", R"({"c": 1, "a": 1})", R"({"a": "x", "c": 1})", R"({"c": 1, "c": 2})"}},
         {R"({"type":"object","properties":{"a":{},"b":{}},"minProperties":2,)"
          R"("additionalProperties":false})",
          {R"({"a": 1, "b": 2})"},
          {"{}", R"({"a": 1})", R"({"b": 1})"}},
         {R"({"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"],)"
          R"("maxProperties":2})",
          {R"({"a": 1, "b": 2})", R"({"b": 1, "x": 2})"},
          {R"({"a": 1, "b": 2, "c": 3})"}},
         {R"({"type":"object","patternProperties":{"^a[bc]?$":{"type":"integer"}},)"
          R"("additionalProperties":false})",
          {"{}", R"({"a": 1, "ab": 2, "ac": 3})"},
          {R"({"ad": 1})", R"({"a": "x"})"}},
         {R"({"type":"object","propertyNames":{"pattern":"^[a-z]+$"},)"
          R"("additionalProperties":{"type":"null"}})",
          {R"({"x": null})"},
          {R"({"X": null})", R"({"x": 1})", R"({"": null})"}}});
}

TEST_CASE("arrays: prefixes, rests and counts") {
  check({{R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false})",
          {"[]", R"(["a"])", R"(["a", 1])"},
          {"[1]", R"(["a", 1, 2])"}},
         {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
          {"[1, 2]", "[1,2,3]"},
          {"[]", "[1]", "[1, 2, 3, 4]"}},
         {R"({"type":"array","items":{"$ref":"#"},"maxItems":2})",
          {"[]", "[[], [[]]]"},
          {"[1]", "[[],[],[]]"}}});
}

TEST_CASE("schemas combine as sets do") {
  check({{R"({"allOf":[{"type":"string","pattern":"^a"},{"pattern":"z$","maxLength":3}]})",
          {"\"az\"", "\"abz\""},
          {"\"a\"", "\"abcz\""}},
         {R"({"oneOf":[{"type":"integer"},{"type":"number","minimum":2}]})",
          {"1", "2.5"},
          {"2", "3", "1.5"}},
         {R"({"type":["integer","string"],"not":{"enum":[3,"no"]}})",
          {"2", "\"yes\"", "\"n\""},
          {"3", "\"no\"", "null"}},
         {R"({"type":"object","properties":{"k":{"enum":["x","y"]},"v":true},"required":["k","v"],
              "if":{"properties":{"k":{"const":"x"}}},
              "then":{"properties":{"v":{"type":"integer"}}},
              "else":{"properties":{"v":{"type":"string"}}}})",
          {R"({"k": "x", "v": 1})", R"({"k": "y", "v": "s"})"},
          {R"({"k": "x", "v": "s"})", R"({"k": "y", "v": 1})"}},
         {R"({"type":"object","properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]},)"
          R"("additionalProperties":false})",
          {"{}", R"({"b": 1})", R"({"a": 1, "b": 1})"},
          {R"({"a": 1})"}},
         {R"({"allOf":[{"properties":{"a":{}}}],"properties":{"b":{}},)"
          R"("unevaluatedProperties":false,"type":"object"})",
          {R"({"a": 1, "b": 1})"},
          {R"({"c": 1})"}}});
}

TEST_CASE("references: pointers, anchors, recursion, intersections") {
  check({{R"({"$defs":{"a/b":{"type":"integer"},"c%d":{"$anchor":"x","type":"null"}},
              "type":"array","prefixItems":[{"$ref":"#/$defs/a~1b"},{"$ref":"#x"},
              {"$ref":"#/$defs/c%25d"}],"items":false})",
          {"[1, null, null]"},
          {"[null]"}},
         {R"({"$defs":{"i":{"type":"integer"}},"$ref":"#/$defs/i","minimum":5})",
          {"5"},
          {"4", "\"a\""}},
         {R"({"type":"object","properties":{"n":{"$ref":"#"}},"additionalProperties":false})",
          {"{}", R"({"n": {"n": {}}})"},
          {R"({"n": 1})"}}});
}

TEST_CASE("what cannot be enforced is refused where it stands") {
  const std::vector<std::pair<const char*, const char*>> cases{
      {R"({"type":"float"})", "/type: type: "},
      {R"([1])", ": a schema is"},
      {R"({"properties":{"a":{"pattern":"(?=x)b"}}})",
       "/properties/a/pattern: pattern: uses look-ahead"},
      {R"({"items":{"uniqueItems":true}})", "/items/uniqueItems: uniqueItems: "},
      {R"({"$ref":"http://example.com/x"})", "/$ref: $ref: names another document"},
      {R"({"$ref":"#/nowhere"})", "/$ref: $ref: points nowhere"},
      {R"({"format":"idn-email"})", "/format: format: "},
      {R"({"contains":{"type":"integer"}})", "/contains: contains: "},
      {R"({"multipleOf":0})", "/multipleOf: multipleOf: the schema is invalid"},
      {R"({"type":"integer","minimum":3,"maximum":2})", ": unsatisfiable"},
      {R"({"type":"string","pattern":"^a{5}$","maxLength":3})", ": unsatisfiable"},
      {R"({"type":"object","required":["b"],"additionalProperties":false})",
       "/required: unsatisfiable"},
      {R"({"$defs":{"n":{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}},)"
       R"("required":["n"]}},"$ref":"#/$defs/n"})",
       "/$defs/n: unsatisfiable"},
      {R"({"allOf":[{"$ref":"#"}]})", ": unsatisfiable: the schema refers to itself"}};
  for (const auto& [schema, start] : cases) {
    CAPTURE(schema);
    const std::string found = refusal_of(schema);
    CAPTURE(found);
    CHECK(found.starts_with(start));
  }
}

TEST_CASE("long and deep schemas are refused, not recursed into") {
  const std::string twins = R"({"enum":[")" + std::string(100'000, 'a') + R"(b",")" +
                            std::string(100'000, 'a') + R"(c"]})";
  CHECK(refusal_of(twins).find("longer than 8,192 bytes") != std::string::npos);
  std::string optional;
  for (int i = 0; i < 100'000; ++i) optional += "a?";
  CHECK_FALSE(small_compiler().regex(optional));
  std::string chain = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 5'000; ++i) {
    const std::string next = std::to_string(i + 1);
    chain += "\"d" + std::to_string(i) +
             R"(":{"type":"object","required":["x"],"properties":{"x":{"$ref":"#/$defs/d)" + next +
             "\"}}},";
  }
  chain += R"("d5000":{}}})";
  CHECK(refusal_of(chain).find("1,000 levels") != std::string::npos);
}

TEST_CASE("blanks can be left out or left free") {
  const char* const schema = R"({"type":"object","properties":{"a":{"type":"array"}}})";
  const auto compact = of_schema(schema, {schema_options::blanks::compact, false});
  CHECK(accepts(compact, R"({"a":[1,2]})"));
  CHECK_FALSE(accepts(compact, R"({"a": [1,2]})"));
  const auto free = of_schema(schema, {schema_options::blanks::any, false});
  CHECK(accepts(free, "{  \"a\" :\n\n [1 ,2\t]  }"));
  const auto strict = of_schema(schema, {schema_options::blanks::bounded, true});
  CHECK_FALSE(accepts(strict, R"({"b": 1})"));
}

TEST_CASE("masks of schemas hold exactly the tokens that the acceptor takes") {
  std::uint32_t seed = 0;
  for (const char* schema :
       {R"({"type":"object","additionalProperties":{"type":"integer","multipleOf":3}})",
        R"({"type":"object","patternProperties":{"^[ab]{1,2}$":{"type":"null"}},)"
        R"("additionalProperties":false})",
        R"({"type":"array","items":{"type":"string","maxLength":4},"maxItems":9})",
        R"({"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"string",)"
        R"("pattern":"^[a-f ]+$","minLength":3}]})",
        R"({"type":"object","properties":{"a":{"const":{"x":[1,"y"]}},"ab":{"format":"date"}},)"
        R"("required":["ab"]})",
        R"({"type":"object","propertyNames":{"maxLength":1},)"
        R"("additionalProperties":{"type":"boolean"}})"}) {
    CAPTURE(std::string(schema));
    for (int walk = 0; walk < 3; ++walk) {
      CHECK(walk_and_count_errors(of_schema(schema), ++seed, 25) == 0);
    }
  }
}

TEST_CASE("masks over a full vocabulary") {
  if (!has_shared("qwen2_5")) return;
  auto words = tokenizer::load(shared_data() / "qwen2_5");
  REQUIRE(words);
  const auto shared = std::make_shared<const tokenizer>(*std::move(words));
  const grammar_compiler compiler(shared, {151645}, 152'064);
  std::uint32_t seed = 100;
  for (const char* schema :
       {"{}",
        R"({"type":"object","properties":{"name":{"type":"string","maxLength":40},)"
        R"("n":{"type":"number"}}})",
        R"({"type":"array","items":{"type":"string","pattern":"^[\\w ]+$"}})",
        R"({"type":"object","additionalProperties":{"type":"string","format":"uri"}})"}) {
    const auto made = compiler.json_schema(json(schema));
    REQUIRE(made);
    CAPTURE(schema);
    CHECK(walk_and_count_errors(made->constraint, ++seed, 8) == 0);
  }
}

}  // namespace
}  // namespace troupe
