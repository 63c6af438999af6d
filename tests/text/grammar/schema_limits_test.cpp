// Schemas that are made to be expensive: each one is compiled or refused within its budget, whose
// counters are held against the limits. No clock decides here.
#include "grammar_tester.hpp"
#include "text/grammar/schema_rules.hpp"

namespace troupe {
namespace {

using grammar::compile_budget;

struct cost {
  std::string refusal;  // empty: it was compiled
  error_code code = error_code::invalid_argument;
  std::uint64_t steps = 0, bytes = 0;
};

// Time is no limit here: a slow machine must find the same.
compile_budget::limits limits() {
  compile_budget::limits out;
  out.time = std::chrono::hours(1);
  return out;
}

cost cost_of(const json_value& schema) {
  grammar::language_pool pool;
  compile_budget budget(limits());
  pool.set_budget(&budget);
  grammar::rule_set rules;
  std::vector<grammar_note> warnings;
  const auto made = grammar::add_schema(pool, rules, schema, {}, budget, warnings);
  cost out{"", error_code::invalid_argument, budget.steps(), budget.bytes()};
  if (!made) {
    out.refusal = made.error().message();
    out.code = made.error().code;
  }
  return out;
}

// What is beyond a limit stops at once: one piece of work may lie between two looks.
void check_bounded(const cost& found) {
  CHECK(found.steps < 2 * limits().steps);
  CHECK(found.bytes < 2 * limits().bytes);
}

std::string repeated(std::string_view piece, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += piece;
  return out;
}

// A list of `num` pieces, each with its number in the place of every '#'.
std::string numbered(std::string_view piece, int num) {
  std::string out;
  for (int i = 0; i < num; ++i) {
    if (i > 0) out += ',';
    for (const char c : piece) {
      if (c == '#') {
        out += std::to_string(i);
      } else if (c == '@') {
        out += std::to_string(i + 1);
      } else {
        out += c;
      }
    }
  }
  return out;
}

cost cost_of(const std::string& text) {
  const auto schema = parse_json(text, {.max_depth = 2'000});
  REQUIRE_MESSAGE(schema, (schema ? std::string() : schema.error().message));
  return cost_of(*schema);
}

TEST_CASE("a schema of more than 1 MiB is refused before it is looked at") {
  const cost large =
      cost_of("{\"properties\":{" + numbered(R"("property_#":{"type":"string"})", 100'000) + "}}");
  CHECK(large.refusal == "the schema is larger than 1 MiB");
  CHECK(large.code == error_code::too_large);
  CHECK(large.steps < 10);
  const cost text = cost_of("{\"description\":\"" + std::string(2'000'000, 'x') + "\"}");
  CHECK(text.refusal == "the schema is larger than 1 MiB");
  const cost lists = cost_of("{\"default\":[" + numbered("[]", 200'000) + "]}");
  CHECK(lists.refusal == "the schema is of more than 100,000 objects and lists");
}

TEST_CASE("nesting ends where the limit says") {
  const auto nested = [](int depth) {
    return repeated(R"({"items":)", depth) + "{}" + repeated("}", depth);
  };
  CHECK(cost_of(nested(400)).refusal == "");
  CHECK(cost_of(nested(600)).refusal == "the schema is nested deeper than 512 levels");
  const std::string in_place = repeated(R"({"allOf":[)", 400) + "{}" + repeated("]}", 400);
  CHECK(cost_of(in_place).refusal.find("nested deeper than") != std::string::npos);
  CHECK(!parse_json(nested(10'000)));  // a body does not even become a value
}

TEST_CASE("very many properties cost what they are many") {
  const cost many =
      cost_of("{\"properties\":{" + numbered(R"("p#":{"type":"string"})", 20'000) + "}}");
  CHECK(many.refusal == "");
  check_bounded(many);
  CHECK(many.steps < 600'000);
}

TEST_CASE("two objects with very many properties meet without comparing each with each") {
  check_bounded(cost_of("{\"allOf\":[{\"properties\":{" + numbered(R"("a#":{})", 15'000) +
                        "}},{\"properties\":{" + numbered(R"("b#":{})", 15'000) + "}}]}"));
}

TEST_CASE("patterns that make back-tracking engines run for ever") {
  for (const char* pattern : {"(a+)+$", "^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y",
                              "^(a|aa){1,65536}$", "^((a{1,1000}){1,1000}){1,1000}$",
                              "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){25}", "^(.?){100}$"}) {
    CAPTURE(pattern);
    const cost found = cost_of(std::string(R"({"type":"string","pattern":")") + pattern + "\"}");
    CHECK(found.refusal == "");
    CHECK(found.steps < 100'000);
  }
}

TEST_CASE("an intersection that needs a huge automaton is refused by its counters") {
  std::string all = R"({"type":"string","allOf":[)";
  all += numbered(R"({"pattern":"a.{1#}[bc]$"},{"pattern":"^(..){1#}d.*e.{1@}f"})", 12) + "]}";
  const cost found = cost_of(all);
  CHECK(found.refusal != "");
  CHECK(found.code == error_code::too_large);
  check_bounded(found);
}

TEST_CASE("references that name two others each double nothing") {
  const auto chain = [](const std::string& link) {
    return R"({"$ref":"#/$defs/n0","$defs":{)" + numbered(link, 64) + R"(,"n64":{"type":"null"}}})";
  };
  for (const char* link :
       {R"("n#":{"properties":{"a":{"$ref":"#/$defs/n@"},"b":{"$ref":"#/$defs/n@"}}})",
        R"("n#":{"allOf":[{"$ref":"#/$defs/n@"},{"$ref":"#/$defs/n@"}]})",
        R"("n#":{"anyOf":[{"$ref":"#/$defs/n@"},{"$ref":"#/$defs/n@"}]})",
        R"("n#":{"prefixItems":[{"$ref":"#/$defs/n@"},{"$ref":"#/$defs/n@"}]})"}) {
    // A "#" is a number only where it is followed by nothing of a pointer.
    std::string spelled = link;
    CAPTURE(spelled);
    for (std::size_t at = 0; (at = spelled.find("#/", at)) != std::string::npos; at += 2) {
      spelled.replace(at, 2, "%/");
    }
    std::string text = chain(spelled);
    for (char& c : text) c = c == '%' ? '#' : c;
    const cost found = cost_of(text);
    CHECK(found.refusal == "");
    CHECK(found.steps < 50'000);
  }
}

TEST_CASE("alternatives that multiply are refused at 256") {
  const cost found =
      cost_of("{\"allOf\":[" +
              numbered(R"({"anyOf":[{"required":["a#"]},{"required":["b#"]}]})", 40) + "]}");
  CHECK(found.refusal.find("more than 256 alternatives") != std::string::npos);
  check_bounded(found);
  const cost dependent =
      cost_of("{\"dependentRequired\":{" + numbered(R"("a#":["b#"])", 40) + "}}");
  CHECK(dependent.refusal.find("more than 256 alternatives") != std::string::npos);
  check_bounded(dependent);
}

TEST_CASE("nested oneOf does not explode") {
  std::string inner = R"({"type":"null"})";
  for (int i = 0; i < 60; ++i) {
    const std::string tag = std::to_string(i);
    inner = R"({"oneOf":[{"type":"object","properties":{"t":{"const":"a)" + tag + R"("},"v":)" +
            inner + R"(},"required":["t","v"]},{"type":"object","properties":{"t":{"const":"b)" +
            tag + R"("}},"required":["t"]}]})";
  }
  const cost found = cost_of(inner);
  CHECK(found.refusal == "");
  CHECK(found.steps < 200'000);
}

TEST_CASE("long lists of values and names") {
  const cost numbers = cost_of("{\"enum\":[" + numbered("#", 5'000) + "]}");
  CHECK(numbers.refusal == "");
  check_bounded(numbers);
  const cost too_many = cost_of("{\"enum\":[" + numbered("#", 100'000) + "]}");
  CHECK(too_many.refusal.find("more than") != std::string::npos);  // one limit or another
  CHECK(too_many.code == error_code::too_large);
  const cost texts = cost_of("{\"enum\":[" + numbered("\"text #\"", 20'000) + "]}");
  CHECK(texts.refusal == "");
  check_bounded(texts);
  check_bounded(cost_of("{\"enum\":[" + numbered(R"({"a":[#]})", 50'000) + "]}"));
  check_bounded(cost_of("{\"required\":[" + numbered("\"n#\"", 50'000) + "]}"));
  check_bounded(cost_of("{\"not\":{\"enum\":[" + numbered("\"text #\"", 20'000) + "]}}"));
  check_bounded(cost_of("{\"patternProperties\":{" + numbered(R"("^a#":{})", 20'000) + "}}"));
  check_bounded(cost_of("{\"oneOf\":[" + numbered(R"({"required":["n#"]})", 200) + "]}"));
}

TEST_CASE("pointers and identifiers are not spelled out for every place") {
  const std::string long_key(8'000, 'k');
  std::string text = numbered(R"({"x":#})", 20'000);
  text = "{\"default\":[" + text + "]}";
  for (int i = 0; i < 60; ++i) text = "{\"" + long_key + "\":" + text + "}";
  check_bounded(cost_of(text));
  std::string ids = "{\"$id\":\"http://x/" + repeated("d/", 4'000) + "\",\"anyOf\":[" +
                    numbered(R"({"$id":"a#"})", 5'000) + "]}";
  CHECK(cost_of(ids).refusal.find("$id") != std::string::npos);
}

TEST_CASE("counts and repeats beyond all measure") {
  CHECK(cost_of(std::string(R"({"type":"string","maxLength":1000000000000})")).refusal == "");
  CHECK(cost_of(std::string(R"({"type":"string","minLength":70000})")).code ==
        error_code::too_large);
  CHECK(cost_of(std::string(R"({"type":"string","pattern":"a{70000}"})")).code ==
        error_code::too_large);
  const cost items = cost_of(
      std::string(R"({"type":"array","minItems":900000000,"maxItems":1000000000,"items":{}})"));
  CHECK(items.refusal == "");
  CHECK(items.steps < 1'000);
  const std::string digits(299, '7');
  const cost bound = cost_of("{\"type\":\"number\",\"minimum\":" + digits + ".5}");
  CHECK(bound.refusal == "");
  check_bounded(bound);
  CHECK(cost_of("{\"type\":\"number\",\"minimum\":" + digits + "77}").code ==
        error_code::too_large);
}

TEST_CASE("a list of texts is bounded as a whole, and none of them is lost") {
  std::mt19937 random(1);
  std::vector<std::string> texts(60'000);
  for (std::string& text : texts) {
    while (text.size() < 12) text += static_cast<char>('a' + random() % 26);
  }
  const auto large = small_compiler().choice(texts);
  REQUIRE(!large);
#ifdef __SANITIZE_ADDRESS__
  // An instrumented program may spend its second first.
  CHECK(
      (large.error().code == error_code::too_large || large.error().code == error_code::timed_out));
#else
  CHECK(large.error().code == error_code::too_large);
#endif
  CHECK(large.error().why.keyword == "choice");
  texts.resize(3'000);
  const auto made = compiled(small_compiler().choice(texts));
  for (const std::string& text : texts) CHECK(accepts(made, text));
}

TEST_CASE("a spent budget is a refusal that names the limit") {
  compile_budget::limits small = limits();
  small.steps = 100;
  grammar::language_pool pool;
  compile_budget budget(small);
  pool.set_budget(&budget);
  grammar::rule_set rules;
  std::vector<grammar_note> warnings;
  const auto made = grammar::add_schema(
      pool, rules, json("{\"enum\":[" + numbered("\"text #\"", 500) + "]}"), {}, budget, warnings);
  REQUIRE(!made);
  CHECK(made.error().code == error_code::too_large);
  CHECK(made.error().why.reason == "the schema is too large: compiling takes more than 100 steps");
  compile_budget::limits no_time = limits();
  no_time.time = std::chrono::milliseconds(-1);
  compile_budget late(no_time);
  CHECK(!late.spend(1'000'000));
  CHECK(late.code() == error_code::timed_out);
}

// A regex of few states at a time whose states are 2^24 in all: what one text reaches is kept, and
// that is bounded.
TEST_CASE("states that outgrow a grammar's memory end with an error, not with the machine") {
  const auto made = compiled(small_compiler().regex("(a|b)*a(a|b){24}c"));
  const auto& grammar = bytes_of(made);
  grammar::thread_set at = grammar.begin();
  std::mt19937 random(1);
  constexpr std::size_t most = 20'000'000;
  std::size_t length = 0;
  const auto feed = [&] {
    for (; length < 1'000'000; ++length) {
      const bool is_taken = grammar.accept(at, random() % 2 == 0 ? "a" : "b");
      CHECK(is_taken);
      if (length % 64 == 0) CHECK(grammar.num_bytes() < most);
    }
  };
  CHECK_THROWS_AS(feed(), std::length_error);
  CHECK(length > 1'000);
  CHECK(grammar.num_bytes() < most);
}

TEST_CASE("ready masks are forgotten before a grammar grows too large") {
  const auto made = of_schema(R"({"type":"string","pattern":"^([a-z]{3,9} ){1,400}$"})");
  random_walk walk(made, 1);
  std::size_t largest = 0;
  for (int i = 0; i < 1'500 && walk.step(); ++i) {
    largest = std::max(largest, bytes_of(made).num_bytes());
  }
  CHECK(largest < 20'000'000);
}

}  // namespace
}  // namespace troupe
