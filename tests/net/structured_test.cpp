// What bodies ask for becomes a grammar elsewhere while their requests wait.
#include <doctest/doctest.h>

#include <string>

#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/json.hpp"
#include "text/structured_source.hpp"

namespace troupe::test {
namespace {

std::string chat_with(const std::string& schema) {
  return R"({"model": "byte-echo", "max_tokens": 3, "messages": [{"role": "user", "content": "a"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": )" +
         schema + "}}}";
}

client_response post(client& line, const std::string& path, const std::string& body) {
  line.send(client::post_text(path, body));
  return line.receive();
}

double metric(client& line, const std::string& name) {
  auto text = line.get("/metrics").body;
  auto at = text.find("\n" + name + "{");
  return at == std::string::npos ? -1 : std::stod(text.substr(text.find("} ", at) + 2));
}

TEST_CASE("equal schemas are compiled once, whatever spaces they have") {
  net_stage stage;
  client line(stage.port());
  CHECK(post(line, "/v1/chat/completions", chat_with(R"({"type": "integer"})")).status == 200);
  CHECK(post(line, "/v1/chat/completions", chat_with(R"({"type":"integer"})")).status == 200);
  CHECK(post(line, "/v1/chat/completions", chat_with(R"({"type": "number"})")).status == 200);
  CHECK(eventually([&] { return metric(line, "troupe_grammar_cache_hits_total") == 1; }));
  CHECK(metric(line, "troupe_grammar_cache_misses_total") == 2);
  CHECK(metric(line, "troupe_grammar_compile_seconds_count") == 2);
}

TEST_CASE("a refusal has its API's form, status and field, also when it is known already") {
  net_stage stage;
  client line(stage.port());
  auto bad = std::string(R"({"type": "object", "properties": {"a": {"$ref": "http://x/y"}}})");
  std::string first;
  for (int i = 0; i < 2; ++i) {
    auto answer = post(line, "/v1/chat/completions", chat_with(bad));
    CHECK(answer.status == 400);
    if (i == 0) first = answer.body;
    CHECK(answer.body == first);
    auto error = parse(answer.body);
    auto& body = *error.find("error");
    CHECK(body.find("param")->as_string()->starts_with("response_format.json_schema"));
    CHECK(body.find("message")->as_string()->find("at /properties/a") != std::string::npos);
  }
  CHECK(eventually([&] { return metric(line, "troupe_grammar_cache_hits_total") == 1; }));
  auto responses = post(line, "/v1/responses",
                        R"({"model": "byte-echo", "input": "a", "text": {"format":
                            {"type": "json_schema", "name": "x", "schema": )" +
                            bad + "}}}");
  CHECK(responses.status == 400);
  CHECK(responses.body.find("text.format") != std::string::npos);
  auto messages = post(line, "/v1/messages",
                       R"({"model": "byte-echo", "max_tokens": 3,
                           "messages": [{"role": "user", "content": "a"}],
                           "tool_choice": {"type": "any"},
                           "tools": [{"name": "t", "input_schema": )" +
                           bad + "}]}");
  CHECK(messages.status == 400);
  CHECK(messages.body.find("tools") != std::string::npos);
  CHECK(post(line, "/generate", R"({"prompt": "ab", "max_tokens": 2})").status == 200);
}

TEST_CASE("only what compiles to the same has the same key") {
  auto key = [](const std::string& schema, bool is_strict = false) {
    return canonical_key({.kind = structure_kind::schema,
                          .schema = parse(schema),
                          .is_strict = is_strict,
                          .field = "f"});
  };
  CHECK(key(R"({"const": 1})") == key(R"({ "const" : 1 })"));
  CHECK(key(R"({"const": 1})") != key(R"({"const": 1.0})"));
  CHECK(key(R"({"const": 1})") != key(R"({"const": "1"})"));
  CHECK(key(R"({"a": {}, "b": {}})") != key(R"({"b": {}, "a": {}})"));
  CHECK(key("{}") != key("{}", true));
  structured_request calls{.kind = structure_kind::tool_calls, .tools = {{.name = "a"}}};
  auto all = calls;
  all.must_call = true;
  CHECK(canonical_key(calls) != canonical_key(all));
  auto other = calls;
  other.field = "elsewhere";
  CHECK(canonical_key(calls) == canonical_key(other));
}

}  // namespace
}  // namespace troupe::test
