// The form of an answer: under which names each API asks for it, what excludes what, what is told
// of it.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "net/dialect.hpp"
#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/structured.hpp"

namespace troupe::test {
namespace {

using kind = structure_kind;

struct api {
  std::string path;
  std::string begin;  // of a fine body, without its closing bracket
};

const api ours{"/generate", R"({"prompt": "a")"};
const api sglang{"/generate", R"({"text": "a", "sampling_params": {"n": 1)"};  // two brackets
const api tgi{"/generate", R"({"inputs": "a", "parameters": {"details": false)"};
const api completions{"/v1/completions", R"({"prompt": "a")"};
const api chat{"/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}])"};
const api responses{"/v1/responses", R"({"input": "a")"};
const api messages{"/v1/messages",
                   R"({"max_tokens": 9, "messages": [{"role": "user", "content": "a"}])"};

std::string body(const api& of, const std::string& more) {
  bool is_nested = of.begin.find("sampling_params") != std::string::npos ||
                   of.begin.find("parameters") != std::string::npos;
  return of.begin + ", " + more + (is_nested ? "}}" : "}");
}

outcome<answer_plan> read(const api& of, const std::string& more) {
  static const auto facts = byte_service();
  body_context context{.facts = facts, .id = "r", .unique = std::string(32, '0')};
  return find_dialect(of.path)->read(body(of, more), context);
}

structured_request asked(const api& of, const std::string& more) {
  CAPTURE(of.path);
  CAPTURE(more);
  auto plan = read(of, more);
  REQUIRE_MESSAGE(plan, plan.error().message);
  REQUIRE(plan->structure);
  return *plan->structure;
}

failure refused(const api& of, const std::string& more) {
  CAPTURE(of.path);
  CAPTURE(more);
  auto plan = read(of, more);
  REQUIRE_FALSE(plan);
  return plan.error();
}

structured_request of_schema(std::string field) {
  return {.kind = structure_kind::schema, .schema = parse(R"({"type":"null"})"), .field = field};
}

structured_request words(kind of, std::string field) {
  return {.kind = of, .text = "a+", .field = std::move(field)};
}

structured_request any(kind of, std::string field) {
  return {.kind = of, .field = std::move(field)};
}

structured_request of_choice(std::string field) {
  return {.kind = structure_kind::choice, .choices = {"a", "b"}, .field = std::move(field)};
}

struct naming {
  const api& of;
  std::string more;
  structured_request expected;
};

void check(const std::vector<naming>& table) {
  for (auto& one : table) {
    CAPTURE(one.more);
    auto found = asked(one.of, one.more);
    CHECK(canonical_key(found) == canonical_key(one.expected));
    CHECK(found.field == one.expected.field);
  }
}

TEST_CASE("the forms of an answer under OpenAI's names, and ours beside them") {
  for (auto* of : {&chat, &completions}) {
    const std::string name = "response_format";
    check({{*of, R"("response_format": {"type": "json_object"})", any(kind::any_object, name)},
           {*of,
            R"("response_format": {"type": "json_schema", "json_schema": {"name": "x",
               "description": "d", "strict": false, "schema": {"type": "null"}}})",
            of_schema(name + ".json_schema")},
           {*of, R"("response_format": {"type": "regex", "regex": "a+"})",
            words(kind::regex, name + ".regex")},
           {*of, R"("response_format": {"type": "choice", "choice": ["a", "b"]})",
            of_choice(name + ".choice")},
           {*of, R"("response_format": {"type": "grammar", "grammar": "a+"})",
            words(kind::grammar, name + ".grammar")}});
  }
  check({{responses, R"("text": {"format": {"type": "json_object"}})",
          any(kind::any_object, "text.format")},
         {responses,
          R"("text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "null"}}})",
          of_schema("text.format")},
         {responses, R"("text": {"format": {"type": "regex", "regex": "a+"}})",
          words(kind::regex, "text.format.regex")}});
}

TEST_CASE("the forms of an answer under vLLM's names") {
  for (auto* of : {&chat, &completions})
    check({{*of, R"("structured_outputs": {"json": {"type": "null"}})",
            of_schema("structured_outputs.json")},
           {*of, R"("structured_outputs": {"json": "{\"type\": \"null\"}"})",
            of_schema("structured_outputs.json")},
           {*of, R"("structured_outputs": {"json_object": true})",
            any(kind::any_object, "structured_outputs.json_object")},
           {*of, R"("structured_outputs": {"regex": "a+", "disable_fallback": true})",
            words(kind::regex, "structured_outputs.regex")},
           {*of, R"("structured_outputs": {"choice": ["a", "b"], "json": null})",
            of_choice("structured_outputs.choice")},
           {*of, R"("structured_outputs": {"grammar": "a+"})",
            words(kind::grammar, "structured_outputs.grammar")},
           {*of, R"("guided_json": {"type": "null"}, "guided_decoding_backend": "xgrammar")",
            of_schema("guided_json")},
           {*of, R"("guided_json": "{\"type\":\"null\"}", "response_format": {"type": "text"})",
            of_schema("guided_json")},
           {*of, R"("guided_regex": "a+")", words(kind::regex, "guided_regex")},
           {*of, R"("guided_choice": ["a", "b"])", of_choice("guided_choice")},
           {*of, R"("guided_grammar": "a+")", words(kind::grammar, "guided_grammar")}});
}

TEST_CASE("the forms of an answer under the names of SGLang, TGI, Anthropic and of this server") {
  const std::string params = "sampling_params.";
  const std::string value = "parameters.grammar.value";
  check({{sglang, R"("json_schema": "{\"type\": \"null\"}")", of_schema(params + "json_schema")},
         {sglang, R"("json_schema": "$$ANY$$")", any(kind::any_json, params + "json_schema")},
         {sglang, R"("regex": "a+")", words(kind::regex, params + "regex")},
         {sglang, R"("ebnf": "a+")", words(kind::grammar, params + "ebnf")},
         {tgi, R"("grammar": {"type": "json", "value": {"type": "null"}})", of_schema(value)},
         {tgi, R"("grammar": {"type": "regex", "value": "a+"})", words(kind::regex, value)},
         {tgi, R"("grammar": {"type": "json_schema", "value": {"schema": {"type": "null"}}})",
          of_schema(value + ".schema")},
         {messages,
          R"("output_config": {"effort": "low",
             "format": {"type": "json_schema", "schema": {"type": "null"}}})",
          of_schema("output_config.format.schema")},
         {messages, R"("output_format": {"type": "json_schema", "schema": {"type": "null"}})",
          of_schema("output_format.schema")},
         {ours, R"("json_schema": {"type": "null"})", of_schema("json_schema")},
         {ours, R"("json_object": true, "regex": null)", any(kind::any_object, "json_object")},
         {ours, R"("regex": "a+", "json_object": false)", words(kind::regex, "regex")},
         {ours, R"("choice": ["a", "b"])", of_choice("choice")},
         {ours, R"("grammar": "a+")", words(kind::grammar, "grammar")}});
}

TEST_CASE("how a schema is meant") {
  auto strict = of_schema("json_schema");
  strict.is_strict = true;
  auto lenient = of_schema("json_schema");
  lenient.is_lenient = true;
  auto compact = of_schema("json_schema");
  compact.whitespace = schema_options::blanks::compact;
  check({{ours, R"("json_schema": {"type": "null"}, "strict": true)", strict},
         {ours, R"("json_schema": {"type": "null"}, "lenient": true)", lenient},
         {ours, R"("json_schema": {"type": "null"}, "whitespace": "compact")", compact}});
  strict.field = lenient.field = compact.field = "structured_outputs.json";
  check(
      {{chat,
        R"("structured_outputs": {"json": {"type": "null"},
             "disable_additional_properties": true})",
        strict},
       {chat, R"("structured_outputs": {"json": {"type": "null"}, "lenient": true})", lenient},
       {chat, R"("structured_outputs": {"json": {"type": "null"}, "disable_any_whitespace": true})",
        compact}});
}

TEST_CASE("what is wrong with a form is named by its field") {
  struct wrong {
    const api& of;
    std::string more;
    std::string field;
    error_code code = error_code::invalid_argument;
  };
  constexpr auto unsupported = error_code::unsupported;
  for (auto& one : std::vector<wrong>{
           {ours, R"("regex": "a", "choice": ["a"])", "choice"},
           {ours, R"("json_schema": 1)", "json_schema"},
           {ours, R"("json_schema": "{}")", "json_schema"},
           {ours, R"("regex": "")", "regex"},
           {ours, R"("choice": [])", "choice"},
           {ours, R"("choice": ["a", 1])", "choice"},
           {ours, R"("regex": "a", "lenient": true)", "lenient"},
           {ours, R"("strict": true)", "strict"},
           {ours, R"("regex": "a", "whitespace": "any")", "whitespace"},
           {ours, R"("json_object": true, "whitespace": "some")", "whitespace"},
           {chat, R"("guided_json": "{", "seed": 1)", "guided_json"},
           {chat, R"("guided_regex": "a", "response_format": {"type": "json_object"})",
            "guided_regex"},
           {chat, R"("structured_outputs": {})", "structured_outputs"},
           {chat, R"("structured_outputs": {"regex": "a", "grammar": "b"})",
            "structured_outputs.grammar"},
           {chat, R"("structured_outputs": {"regex": "a", "whitespace_pattern": " "})",
            "structured_outputs.whitespace_pattern", unsupported},
           {chat, R"("structured_outputs": {"structural_tag": "{}"})",
            "structured_outputs.structural_tag", unsupported},
           {chat, R"("guided_json": {}, "guided_whitespace_pattern": " ")",
            "guided_whitespace_pattern", unsupported},
           {chat, R"("structured_outputs": {"regex": "a", "xgrammar": 1})",
            "structured_outputs.xgrammar"},
           {chat, R"("response_format": {"type": "regex"})", "response_format.regex"},
           {chat, R"("response_format": {"type": "structural_tag"})", "response_format.type"},
           {completions, R"("response_format": {"type": "json_object", "schema": {}})",
            "response_format.schema"},
           {sglang, R"("regex": "a", "ebnf": "b")", "sampling_params.ebnf"},
           {sglang, R"("structural_tag": "{}")", "sampling_params.structural_tag", unsupported},
           {tgi, R"("grammar": {"type": "ebnf", "value": "a"})", "parameters.grammar.type"},
           {tgi, R"("grammar": {"type": "regex"})", "parameters.grammar.value"},
           {tgi, R"("grammar": {"type": "regex", "value": 1})", "parameters.grammar.value"},
           {tgi, R"("grammar": {"type": "json_schema", "value": {}})",
            "parameters.grammar.value.schema"},
           {messages, R"("output_config": {"format": {"type": "json_object"}})",
            "output_config.format.type"},
           {messages, R"("output_config": {"format": {"type": "json_schema"}})",
            "output_config.format.schema"}}) {
    auto why = refused(one.of, one.more);
    CHECK(why.field == one.field);
    CHECK(why.code == one.code);
    // By its path, or as an unknown field of an object that is named.
    auto name = one.field.substr(one.field.rfind('.') + 1);
    CHECK(why.message.find(name) != std::string::npos);
  }
  auto both = refused(chat, R"("guided_regex": "a", "response_format": {"type": "json_object"})");
  CHECK(both.message.find("response_format and guided_regex exclude") != std::string::npos);
}

TEST_CASE("the prompts of one call have one form") {
  auto body = [](const std::string& second) {
    return R"({"text": ["a", "b"], "sampling_params": [{"regex": "a"}, )" + second + "]}";
  };
  auto facts = byte_service();
  body_context context{.facts = facts};
  auto* how = find_dialect("/generate");
  CHECK(how->read(body(R"({"regex": "a", "n": 2})"), context));
  for (auto* other : {"{}", R"({"regex": "b"})"}) {
    auto plan = how->read(body(other), context);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().field == "sampling_params[1]");
  }
}

const std::string tool =
    R"("tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}])";
const std::string object_format = R"(, "response_format": {"type": "json_object"})";

TEST_CASE("beside tools a form is that of the text") {
  auto automatic = asked(chat, tool + object_format);
  CHECK(automatic.kind == kind::tool_calls);
  CHECK_FALSE(automatic.must_call);
  REQUIRE(automatic.instead);
  CHECK(automatic.instead->kind == kind::any_object);
  auto none = asked(chat, tool + R"(, "tool_choice": "none")" + object_format);
  CHECK(none.kind == kind::any_object);
  auto required = asked(chat, tool + R"(, "tool_choice": "required")" + object_format);
  CHECK(required.must_call);
  CHECK(required.instead == nullptr);
  CHECK_FALSE(read(chat, tool)->structure);
  auto anthropic = asked(messages, R"("tools": [{"name": "f", "input_schema": {}}],
      "output_format": {"type": "json_schema", "schema": {}})");
  REQUIRE(anthropic.instead);
  CHECK(anthropic.instead->kind == kind::schema);
}

TEST_CASE("equal asks have equal keys, different ones different keys") {
  auto with = [](auto change) {
    auto ask = of_schema("a");
    change(ask);
    return ask;
  };
  auto calls = asked(chat, tool + object_format);
  auto many = [&](auto change) {
    auto ask = calls;
    change(ask);
    return ask;
  };
  using ask = structured_request;
  std::vector<ask> all{of_schema("a"),
                       words(kind::regex, "a"),
                       words(kind::grammar, "a"),
                       of_choice("a"),
                       any(kind::any_json, "a"),
                       any(kind::any_object, "a"),
                       calls,
                       with([](ask& a) { a.schema = parse(R"({"type": "array"})"); }),
                       with([](ask& a) { a.schema = parse(R"({"b": 1, "a": 1})"); }),
                       with([](ask& a) { a.schema = parse(R"({"a": 1, "b": 1})"); }),
                       with([](ask& a) { a.is_strict = true; }),
                       with([](ask& a) { a.is_lenient = true; }),
                       with([](ask& a) { a.whitespace = schema_options::blanks::any; }),
                       with([](ask& a) { a.whitespace = schema_options::blanks::compact; }),
                       {.kind = structure_kind::choice, .choices = {"a\",\"b"}},
                       many([](ask& a) { a.must_call = true; }),
                       many([](ask& a) { a.may_repeat = false; }),
                       many([](ask& a) { a.instead = nullptr; }),
                       many([](ask& a) { a.tools[0].name += "g"; }),
                       many([](ask& a) { a.tools[0].is_strict = true; }),
                       many([](ask& a) { a.tools[0].is_lenient = true; }),
                       many([](ask& a) { a.tools[0].parameters = json_value(); })};
  std::set<std::string> keys;
  for (auto& one : all) keys.insert(canonical_key(one));
  CHECK(keys.size() == all.size());
  CHECK(canonical_key(of_schema("a")) == canonical_key(of_schema("b")));
}

TEST_CASE("every kind compiles, and a refusal says where and why") {
  auto facts = byte_service();
  auto& how = *facts.grammars;
  structured_request ebnf{.kind = kind::grammar, .text = R"(root ::= "a"+)"};
  for (auto& ask : {of_schema("a"), words(kind::regex, "a"), of_choice("a"), ebnf,
                    any(kind::any_json, "a"), any(kind::any_object, "a")})
    CHECK(compile_structure(ask, how));
  auto compact = any(kind::any_object, "a");
  compact.whitespace = schema_options::blanks::compact;
  CHECK(compile_structure(compact, how));
  auto bad = of_schema("guided_json");
  bad.schema = parse(R"_({"properties": {"a/b": {"pattern": "(?=x)"}}})_");
  auto made = compile_structure(bad, how);
  REQUIRE_FALSE(made);
  auto why = to_failure(bad, made.error());
  CHECK(why.field == "guided_json");
  CHECK(why.message.starts_with(
      "guided_json cannot be enforced: at /properties/a~1b/pattern: pattern: "));
  CHECK(to_failure(bad, {error_code::timed_out, {}}).code == error_code::too_large);
}

std::string whole_with_warnings(answer_plan& plan) {
  plan.writer->warn({{"/a", "contains", "is not enforced"}});
  answer_piece piece{.text = "ok", .end = answer_end{.why = finish_reason::stop}};
  return plan.writer->whole(std::vector<answer_piece>(plan.orders.size(), piece));
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t num = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++num;
  return num;
}

class all_events : public event_sink {
 public:
  void event(std::string_view, std::string_view json) override { text += json; }
  std::string text;
};

std::string streamed_with_warnings(answer_plan& plan) {
  plan.writer->warn({{"/a", "contains", "is not enforced"}});
  all_events out;
  plan.writer->write(out, 0, {.text = "o"});
  plan.writer->write(out, 0, {.text = "k", .end = answer_end{.why = finish_reason::stop}});
  plan.writer->finish(out);
  return out.text;
}

TEST_CASE("every API's answers tell what is not enforced") {
  const std::string expected =
      R"("warnings":[{"pointer":"/a","keyword":"contains","reason":"is not enforced"}])";
  for (auto* of : {&ours, &sglang, &tgi, &completions, &chat, &responses, &messages}) {
    CAPTURE(of->begin);
    auto at_once = read(*of, R"("seed": 1)");
    REQUIRE(at_once);
    CHECK(count(whole_with_warnings(*at_once), expected) == 1);
    auto in_events = read(*of, R"("seed": 1)");
    // The events of responses hold the whole response three times.
    CHECK(count(streamed_with_warnings(*in_events), expected) == (of == &responses ? 3 : 1));
    auto silent = read(*of, R"("seed": 1)");
    answer_piece piece{.text = "ok", .end = answer_end{.why = finish_reason::stop}};
    CHECK(count(silent->writer->whole({piece}), "warnings") == 0);
  }
}

}  // namespace
}  // namespace troupe::test
