// What is not enforced: never silently. Leniently a keyword becomes a warning, and the values that
// are allowed become more, never fewer.
#include "grammar_tester.hpp"

namespace troupe {
namespace {

constexpr schema_options lenient{.lenient = true};

bound_grammar bound(std::string_view schema, schema_options options = {}) {
  auto made = small_compiler().json_schema(json(schema), options);
  REQUIRE_MESSAGE(made, (made ? std::string() : made.error().message()));
  return *std::move(made);
}

// "pointer keyword" of every warning, one after the other.
std::string warned(std::string_view schema, schema_options options = {}) {
  std::string out;
  for (const grammar_note& note : bound(schema, options).warnings) {
    CHECK(!note.reason.empty());
    if (!out.empty()) out += ", ";
    out += note.pointer;
    out += " ";
    out += note.keyword;
  }
  return out;
}

TEST_CASE("what is no keyword and what says nothing is listed, whatever the mode") {
  CHECK(warned(R"({"type":"string","title":"t","description":"d","default":1,"$comment":"c"})") ==
        "");
  CHECK(warned(R"({"type":"string","nullable":true,"x-order":1})") ==
        "/nullable nullable, /x-order x-order");
  CHECK(warned(R"({"properties":{"a/b":{"type":"integer","format":"int32"}}})") ==
        "/properties/a~1b/format format");
  CHECK(warned(R"({"properties":{"a":{"required":true}}})") == "/properties/a/required required");
  CHECK(warned(R"({"a~b/c":1})") == "/a~0b~1c a~b/c");
  CHECK(warned(R"({"$schema":"http://example.com/own"})") == "/$schema $schema");
}

TEST_CASE("each draft has its own words") {
  const char* draft_7 = R"("$schema":"http://json-schema.org/draft-07/schema#")";
  const auto in_draft_7 = [&](const std::string& rest) {
    std::string schema = "{";
    schema.append(draft_7).append(",").append(rest).append("}");
    return warned(schema);
  };
  CHECK(in_draft_7(R"("prefixItems":[{}])") == "/prefixItems prefixItems");
  CHECK(in_draft_7(R"("dependentRequired":{})") == "/dependentRequired dependentRequired");
  CHECK(in_draft_7(R"("definitions":{"a":{"x":1}},"$ref":"#/definitions/a","maxLength":1)") ==
        "/definitions/a/x x, /maxLength maxLength");
  CHECK(warned(R"({"$defs":{"a":{}},"$ref":"#/$defs/a","maxLength":1})") == "");
}

struct lenient_case {
  const char* schema;
  const char* warnings;
  std::vector<const char*> accepted, rejected;
};

void check_lenient(const lenient_case& each) {
  CAPTURE(each.schema);
  CHECK(!small_compiler().json_schema(json(each.schema)));
  CHECK(warned(each.schema, lenient) == each.warnings);
  const bound_grammar made = bound(each.schema, lenient);
  for (const char* text : each.accepted) {
    CAPTURE(text);
    CHECK(accepts(made.constraint, text));
  }
  for (const char* text : each.rejected) {
    CAPTURE(text);
    CHECK(!accepts(made.constraint, text));
  }
}

TEST_CASE("leniently a keyword that cannot be enforced is dropped alone") {
  const std::vector<lenient_case> cases{
      {R"({"type":"string","pattern":"^(?=a)b","maxLength":2})",
       "/pattern pattern",
       {"\"zz\""},
       {"\"zzz\"", "1"}},
      {R"({"type":"string","format":"regex"})", "/format format", {"\"(\""}, {"1"}},
      {R"({"type":"array","items":{"type":"integer"},"uniqueItems":true})",
       "/uniqueItems uniqueItems",
       {"[1, 1]"},
       {"[\"a\"]"}},
      {R"({"type":"array","contains":{"const":1},"maxItems":2})",
       "/contains contains",
       {"[2]"},
       {"[1, 1, 1]"}},
      {R"({"$ref":"http://example.com/a","type":"integer"})", "/$ref $ref", {"1"}, {"\"a\""}},
      {R"({"$dynamicRef":"#a","type":"integer"})", "/$dynamicRef $dynamicRef", {"1"}, {"\"a\""}},
      {R"({"type":"object","patternProperties":{"^(?=a).":{"type":"integer"},)"
       R"("^b":{"type":"null"}},"additionalProperties":false})",
       "/patternProperties patternProperties",
       {R"({"a": 1})", R"({"c": []})", R"({"b": null})"},
       {R"({"b": 1})"}},
  };
  for (const lenient_case& each : cases) check_lenient(each);
}

TEST_CASE("what is dropped inside of a negation allows more, not less") {
  const std::vector<lenient_case> cases{
      // Without its pattern the inner schema is all texts, and nothing would be left.
      {R"({"type":"string","not":{"pattern":"^(?=a)."}})",
       "/not not, /not/pattern pattern",
       {"\"a\"", "\"b\""},
       {"1"}},
      {R"({"not":{"properties":{"a":{"contains":{"const":1}}},"required":["a"]}})",
       "/not not, /not/properties/a/contains contains",
       {R"({"a": [1]})", R"({"a": [2]})", R"({"b": 1})"},
       {"1"}},
      {R"({"oneOf":[{"type":"array","contains":{"const":1}},{"type":"array","maxItems":1}]})",
       "/oneOf oneOf, /oneOf/0/contains contains",
       {"[1]", "[]", "[2, 3]"},
       {"1"}},
      {R"({"type":"array","if":{"contains":{"const":1}},"then":{"maxItems":2},)"
       R"("else":{"maxItems":1}})",
       "/if if, /if/contains contains",
       {"[]", "[1, 2]"},
       {"[1, 2, 3]"}},
      {R"({"type":"array","contains":{"const":1},"unevaluatedItems":{"type":"null"}})",
       "/contains contains, /unevaluatedItems unevaluatedItems",
       {"[1, null]", "[1, 2]"},
       {"1"}},
  };
  for (const lenient_case& each : cases) check_lenient(each);
}

TEST_CASE("leniency forgives neither what is wrong nor what is too large") {
  for (const char* schema :
       {R"({"type":"float"})", R"({"pattern":"("})", R"({"$ref":"#/nowhere"})", "false",
        R"({"minimum":2,"maximum":1,"type":"integer"})", R"({"type":"string","minLength":70000})",
        R"({"type":"string","pattern":"a{70000}"})", R"({"multipleOf":123457.5})"}) {
    CAPTURE(schema);
    CHECK(!small_compiler().json_schema(json(schema), lenient));
  }
}

TEST_CASE("the warnings of a tool name it") {
  tool_definition tool{.name = "look", .parameters = json(R"({"type":"object","x":1})")};
  const auto made = small_compiler().tool_calls({tool});
  if (!made) return;  // a vocabulary without <tool_call>
  REQUIRE(made->warnings.size() == 1);
  CHECK(made->warnings[0].pointer == "/x");
  CHECK(made->warnings[0].reason.starts_with("tool look: "));
}

TEST_CASE("warnings are bounded") {
  std::string schema = "{\"type\":\"null\"";
  for (int i = 0; i < 1'000; ++i) {
    schema += ",\"x";
    schema += std::to_string(i);
    schema += "\":1";
  }
  CHECK(bound(schema + "}").warnings.size() == 101);
}

TEST_CASE("numbers of a schema are what it says, digit by digit") {
  const auto of = [](std::string_view schema) { return of_schema(schema); };
  const auto large = of(R"({"type":"integer","minimum":18446744073709551617,)"
                        R"("maximum":18446744073709551619})");
  for (const char* text : {"18446744073709551617", "18446744073709551619"}) {
    CHECK(accepts(large, text));
  }
  for (const char* text :
       {"18446744073709551616", "18446744073709551620", "18446744073709551610"}) {
    CHECK(!accepts(large, text));
  }
  const auto fine = of(R"({"const":0.12345678901234567890123})");
  CHECK(accepts(fine, "0.12345678901234567890123"));
  CHECK(!accepts(fine, "0.12345678901234567"));
  CHECK(!accepts(fine, "0.12345678901234568"));
  const auto listed = of(R"({"enum":[9007199254740993.5,-123456789012345678901234567890,7]})");
  for (const char* text : {"9007199254740993.5", "-123456789012345678901234567890", "7"}) {
    CHECK(accepts(listed, text));
  }
  for (const char* text :
       {"9007199254740993", "9007199254740994", "-123456789012345680000000000000", "7.5"}) {
    CHECK(!accepts(listed, text));
  }
  const auto above = of(R"({"exclusiveMinimum":1.00000000000000000001,"type":"number"})");
  CHECK(accepts(above, "1.000000000000000000011"));
  CHECK(!accepts(above, "1.00000000000000000001"));
  CHECK(!accepts(above, "1"));
}

TEST_CASE("patterns may escape what needs no escape") {
  const auto made = of_schema(R"({"type":"string","pattern":"^[\\w\\_\\~\\!]\\_$"})");
  CHECK(accepts(made, "\"~_\""));
  CHECK(!accepts(made, "\"~a\""));
}

TEST_CASE("what a reader takes for a double has no more digits than it holds") {
  const auto bounded = of_schema(R"({"type":"number","exclusiveMinimum":1})");
  for (const char* text : {"1.00000000000001", "12345678901234567890", "1.5", "123456789012.345"}) {
    CAPTURE(text);
    CHECK(accepts(bounded, text));
  }
  for (const char* text : {"1.00000000000000001", "12345678901234567890.5", "1.0"}) {
    CAPTURE(text);
    CHECK(!accepts(bounded, text));
  }
}

TEST_CASE("a minimum of members counts no name twice") {
  CHECK(refusal_of(R"({"type":"object","minProperties":2,"propertyNames":{"enum":["a","b"]},)"
                   R"("dependentRequired":{"a":["c"]}})")
            .find("unsatisfiable") != std::string::npos);
}

TEST_CASE("multiples of powers of ten") {
  const auto large = of_schema(R"({"type":"integer","multipleOf":1e30})");
  CHECK(accepts(large, "0"));
  CHECK(accepts(large, "-7000000000000000000000000000000"));
  CHECK(!accepts(large, "700000000000000000000000000000"));
  CHECK(!accepts(large, "7"));
  const auto day = of_schema(R"({"multipleOf":86400})");
  for (const char* text : {"0", "86400", "172800.0", "-86400"}) CHECK(accepts(day, text));
  for (const char* text : {"86401", "864", "8640", "86400.5", "1728"}) CHECK(!accepts(day, text));
}

TEST_CASE("members are written in the order in which the document names them") {
  const auto early = of_schema(
      R"({"allOf":[{"properties":{"a":true}},{"properties":{"b":true}}],"properties":{"c":true}})");
  CHECK(accepts(early, R"({"a": 1, "b": 2, "c": 3})"));
  CHECK(!accepts(early, R"({"c": 3, "a": 1})"));
  const auto late = of_schema(
      R"({"properties":{"c":true},"allOf":[{"properties":{"a":true}},{"properties":{"b":true}}]})");
  CHECK(accepts(late, R"({"c": 3, "a": 1, "b": 2})"));
  const auto mixed = of_schema(R"({"$defs":{"r":{"properties":{"r":true}}},"$ref":"#/$defs/r",)"
                               R"("anyOf":[{"properties":{"x":true}}],"properties":{"p":true},)"
                               R"("oneOf":[{"properties":{"o":true}}]})");
  CHECK(accepts(mixed, R"({"r": 1, "x": 1, "p": 1, "o": 1})"));
  const auto required = of_schema(R"({"anyOf":[{"required":["c","z"]},{"required":["b"]}],)"
                                  R"("properties":{"a":true,"b":true,"c":true}})");
  CHECK(accepts(required, R"({"a": 1, "b": 2})"));
  CHECK(accepts(required, R"({"a": 1, "c": 2, "z": 3})"));
}

TEST_CASE("one of two kinds of arrays") {
  const auto made = of_schema(R"({"oneOf":[{"type":"array","items":{"type":"string"}},)"
                              R"({"type":"array","items":{"type":"integer"}}]})");
  for (const char* text : {"[\"a\", \"b\"]", "[1]", "[1, 2, 3]"}) CHECK(accepts(made, text));
  for (const char* text : {"[]", "[1, \"a\"]", "[null]"}) CHECK(!accepts(made, text));
}

}  // namespace
}  // namespace troupe
