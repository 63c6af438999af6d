// POST /v1/responses and what is kept of its answers.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/response_store.hpp"
#include "net/route_table.hpp"
#include "net_stage.hpp"
#include "parsed.hpp"
#include "text/json.hpp"

namespace troupe::test {
namespace {

const std::string path = "/v1/responses";

std::string show(const json_value& value) {
  std::string text;
  append_json(text, value);
  return text;
}

const json_value& at(const json_value& from, std::initializer_list<std::string_view> names) {
  auto* here = &from;
  for (auto name : names) {
    if (auto* list = here->as_array()) {
      auto index = static_cast<std::size_t>(name[0] - '0');
      REQUIRE(index < list->size());
      here = &(*list)[index];
    } else {
      here = here->find(name);
      REQUIRE_MESSAGE(here != nullptr, name);
    }
  }
  return *here;
}

std::string text_at(const json_value& from, std::initializer_list<std::string_view> names) {
  auto* text = at(from, names).as_string();
  REQUIRE(text != nullptr);
  return *text;
}

// Ids and times, which nobody can foretell, replaced.
std::string settled(std::string text) {
  for (std::string_view mark : {"\"resp_", "\"msg_", "\"fc_", ":\"call_", "\"created_at\":"}) {
    for (auto i = text.find(mark); i != std::string::npos; i = text.find(mark, i + 1)) {
      auto begin = i + mark.size();
      auto end = text.find_first_not_of("0123456789abcdef", begin);
      text.erase(begin, end - begin);
      text.insert(begin, 1, '1');
    }
  }
  return text;
}

struct event {
  std::string name;
  json_value data;
};

std::vector<event> events_of(std::string_view text) {
  std::vector<event> out;
  while (!text.empty()) {
    REQUIRE(text.starts_with("event: "));
    auto line = text.find('\n');
    auto end = text.find("\n\n");
    REQUIRE(end != std::string_view::npos);
    auto name = std::string(text.substr(7, line - 7));
    out.push_back({name, parse(text.substr(line + 7, end - line - 7))});
    CHECK(*out.back().data.find("type")->as_string() == name);
    CHECK(*out.back().data.find("sequence_number")->as_int() ==
          static_cast<std::int64_t>(out.size()) - 1);
    text.remove_prefix(end + 2);
  }
  return out;
}

constexpr const char* weather =
    R"(, "tools": [{"type": "function", "name": "weather", "parameters": {}}])";
constexpr const char* call_text =
    "See:\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>";

TEST_CASE("the bytes of a whole response") {
  net_stage stage;
  stage.script().answer = "Hello";
  client reader(stage.port());
  auto answer = reader.post(path, R"({"input": "hi", "metadata": {"a": "b"}, "temperature": 0.5})");
  CHECK(answer.status == 200);
  auto usage = at(parse(answer.body), {"usage"});
  auto num_prompt = *usage.find("input_tokens")->as_int();
  CHECK(settled(answer.body) ==
        R"({"id":"resp_1","object":"response","created_at":1,"status":"completed",)"
        R"("background":false,"error":null,"incomplete_details":null,"instructions":null,)"
        R"("max_output_tokens":null,"max_tool_calls":null,"model":"byte-echo","output":[)"
        R"({"id":"msg_1_o0","type":"message","status":"completed","role":"assistant","content":[)"
        R"({"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}]}],)"
        R"("parallel_tool_calls":true,"previous_response_id":null,)"
        R"("reasoning":{"effort":null,"summary":null},"service_tier":"default","store":true,)"
        R"("temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],)"
        R"("top_logprobs":0,"top_p":1,"truncation":"disabled","usage":{"input_tokens":)" +
            std::to_string(num_prompt) +
            R"(,"input_tokens_details":{"cached_tokens":1},"output_tokens":6,)"
            R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":)" +
            std::to_string(num_prompt + 6) + R"(},"user":null,"metadata":{"a":"b"}})" + "\n");
}

TEST_CASE("every step of a stream has its event") {
  net_stage stage;
  stage.script().answer = call_text;
  client reader(stage.port());
  auto answer = reader.post(path, R"({"input": "hi", "stream": true)" + std::string(weather) + "}");
  CHECK(answer.status == 200);
  std::vector<std::string> names;
  auto events = events_of(answer.body);
  for (auto& one : events) names.push_back(one.name.substr(sizeof "response." - 1));
  CHECK(names == std::vector<std::string>{
                     "created", "in_progress", "output_item.added", "content_part.added",
                     "output_text.delta", "output_text.done", "content_part.done",
                     "output_item.done", "output_item.added", "function_call_arguments.delta",
                     "function_call_arguments.done", "output_item.done", "completed"});
  CHECK(text_at(events[0].data, {"response", "status"}) == "in_progress");
  CHECK(at(events[0].data, {"response", "usage"}).is_null());
  CHECK(settled(show(events[2].data)) ==
        R"({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":)"
        R"({"id":"msg_1_o0","type":"message","status":"in_progress","role":"assistant",)"
        R"("content":[]}})");
  CHECK(settled(show(events[4].data)) ==
        R"({"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1_o0",)"
        R"("output_index":0,"content_index":0,"delta":"See:","logprobs":[]})");
  CHECK(settled(show(events[10].data)) ==
        R"({"type":"response.function_call_arguments.done","sequence_number":10,)"
        R"("item_id":"fc_1_o1","output_index":1,"name":"weather",)"
        R"("arguments":"{\"city\": \"Bern\"}"})");
  auto& last = at(events.back().data, {"response"});
  CHECK(text_at(last, {"status"}) == "completed");
  CHECK(settled(show(at(last, {"output", "1"}))) ==
        R"({"id":"fc_1_o1","type":"function_call","status":"completed","call_id":"call_1",)"
        R"("name":"weather","arguments":"{\"city\": \"Bern\"}"})");
  CHECK(show(at(events[11].data, {"item"})) == show(at(last, {"output", "1"})));
}

TEST_CASE("deltas put together are the text, however they come") {
  net_stage stage;
  stage.script().answer = call_text;
  stage.script().pace_ms = 1;
  client reader(stage.port());
  std::string text, arguments;
  auto answer = reader.post(path, R"({"input": "hi", "stream": true)" + std::string(weather) + "}");
  for (auto& one : events_of(answer.body)) {
    if (one.name == "response.output_text.delta") text += text_at(one.data, {"delta"});
    if (one.name == "response.function_call_arguments.delta")
      arguments += text_at(one.data, {"delta"});
  }
  CHECK(text == "See:");
  CHECK(arguments == R"({"city": "Bern"})");
}

TEST_CASE("an answer that was cut is incomplete, one that fails says so in its stream") {
  net_stage stage;
  stage.script().answer = "Hello";
  client reader(stage.port());
  auto cut = parse(reader.post(path, R"({"input": "hi", "max_output_tokens": 2})").body);
  CHECK(text_at(cut, {"status"}) == "incomplete");
  CHECK(text_at(cut, {"incomplete_details", "reason"}) == "max_output_tokens");
  CHECK(text_at(cut, {"output", "0", "status"}) == "incomplete");
  auto events = events_of(
      reader.post(path, R"({"input": "hi", "max_output_tokens": 2, "stream": true})").body);
  CHECK(events.back().name == "response.incomplete");
  stage.script().pace_ms = 1;
  stage.script().fail_after = 3;
  events = events_of(reader.post(path, R"({"input": "hi", "stream": true})").body);
  CHECK(events.back().name == "response.failed");
  CHECK(text_at(events.back().data, {"response", "error", "message"}) == "a device broke");
}

// The prompt that the engine got, as text: the fake engine says it once.
std::string prompt_of(client& reader, std::string fields) {
  fields += R"(, "skip_special_tokens": false, "store": false)";
  auto one = parse(reader.post(path, "{" + fields + R"(, "max_output_tokens": 1})").body);
  auto num_tokens = std::to_string(*at(one, {"usage", "input_tokens"}).as_int());
  auto all =
      parse(reader.post(path, "{" + fields + R"(, "max_output_tokens": )" + num_tokens + "}").body);
  return text_at(all, {"output", "0", "content", "0", "text"});
}

TEST_CASE("the items of the input become turns") {
  net_stage stage;
  client reader(stage.port());
  auto prompt = prompt_of(reader, R"("instructions": "Be brief.", "input": [
      {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
      {"type": "message", "role": "assistant", "id": "msg_a", "status": "completed",
       "content": [{"type": "output_text", "text": "See:", "annotations": [], "logprobs": []}]},
      {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"},
      {"type": "function_call", "call_id": "d", "name": "g", "arguments": ""},
      {"type": "function_call_output", "call_id": "c", "output": "42"},
      {"type": "function_call_output", "call_id": "d", "output": "43"}])");
  CHECK(prompt ==
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWeather?<|im_end|>\n"
        "<|im_start|>assistant\nSee:\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n"
        "</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call><|im_end|>\n"
        "<|im_start|>user\n<tool_response>\n42\n</tool_response>\n<tool_response>\n43\n"
        "</tool_response><|im_end|>\n<|im_start|>assistant\n");
}

TEST_CASE("a response goes on from a stored one, without its instructions") {
  net_stage stage;
  client reader(stage.port());
  stage.script().answer = call_text;
  auto first = parse(reader
                         .post(path, R"({"instructions": "Be brief.", "input": "Weather?")" +
                                         std::string(weather) + "}")
                         .body);
  stage.script().answer = "";
  auto prompt = prompt_of(reader, R"("previous_response_id": ")" + text_at(first, {"id"}) +
                                      R"(", "instructions": "Be kind.", "input": [
      {"type": "function_call_output", "call_id": "x", "output": "rain"}])");
  CHECK(prompt ==
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWeather?<|im_end|>\n"
        "<|im_start|>assistant\nSee:\n<tool_call>\n"
        "{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call><|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nrain\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n");
}

TEST_CASE("stored responses can be read, listed and deleted") {
  net_stage stage;
  stage.script().answer = "Hello";
  client reader(stage.port());
  for (auto* stream : {"false", "true"}) {
    CAPTURE(stream);
    auto answer = reader.post(path, R"({"input": [{"role": "user", "content": "a"},
        {"id": "own", "role": "user", "content": "b"}], "stream": )" +
                                        std::string(stream) + "}");
    auto first =
        *stream == 't' ? at(events_of(answer.body).back().data, {"response"}) : parse(answer.body);
    auto here = path + "/" + text_at(first, {"id"});
    CHECK(reader.get(here).body == show(first) + "\n");
    auto items = parse(reader.get(here + "/input_items").body);
    CHECK(text_at(items, {"first_id"}) == "own");
    CHECK(show(at(items, {"data", "0"})) ==
          R"({"id":"own","type":"message","role":"user","content":[{"type":"input_text",)"
          R"("text":"b"}]})");
    CHECK(show(at(items, {"has_more"})) == "false");
    auto second = parse(reader.get(here + "/input_items?order=desc&limit=1&after=own").body);
    CHECK(text_at(second, {"data", "0", "content", "0", "text"}) == "a");
    CHECK(reader.get(here + "/input_items?limit=0").status == 400);
    reader.send("DELETE " + here + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(at(parse(reader.receive().body), {"deleted"}).as_bool() != nullptr);
    CHECK(reader.get(here).status == 404);
    CHECK(reader.get(here + "/input_items").status == 404);
  }
  auto gone = reader.post(path, R"({"input": "a", "previous_response_id": "resp_none"})");
  CHECK(gone.status == 400);
  CHECK(text_at(parse(gone.body), {"error", "param"}) == "previous_response_id");
  auto unkept = parse(reader.post(path, R"({"input": "a", "store": false})").body);
  CHECK(reader.get(path + "/" + text_at(unkept, {"id"})).status == 404);
}

TEST_CASE("the store forgets what was not used for longest, and tells nobody what is another's") {
  response_store store({.max_responses = 2, .max_bytes = 4000});
  auto has = [&](const char* id, std::uint64_t owner = 0) {
    return store.find(id, owner) != nullptr;
  };
  store.put("a", 0, {.json = "A"});
  store.put("b", 0, {.json = "B"});
  CHECK(has("a"));
  store.put("c", 7, {.json = "C"});
  CHECK(has("a"));
  CHECK(!has("b"));
  CHECK(!has("c"));
  CHECK(has("c", 7));
  CHECK(!store.erase("c", 0));
  store.put("d", 0, {.json = std::string(3000, 'D')});
  CHECK(store.size() == 1);
  store.put("e", 0, {.json = std::string(4000, 'E')});
  CHECK(!has("e"));
  CHECK(store.find("d", 0)->json.size() == 3000);
  CHECK(store.erase("d", 0));
  CHECK(store.size() == 0);
}

TEST_CASE("what is wrong with a response's request is named by its path") {
  net_stage stage;
  client reader(stage.port());
  for (auto& [fields, param] : std::vector<std::pair<std::string, std::string>>{
           {R"("model": "byte-echo")", "input"},
           {R"("input": [])", "input"},
           {R"("input": [{"type": "reasoning"}])", "input[0].type"},
           {R"("input": [{"role": "tool", "content": "a"}])", "input[0].role"},
           {R"("input": [{"role": "user", "content": [{"type": "input_image"}]}])",
            "input[0].content[0].type"},
           {R"("input": [{"type": "function_call", "name": "f", "arguments": "["}])",
            "input[0].arguments"},
           {R"("input": "a", "truncation": "auto")", "truncation"},
           {R"("input": "a", "background": true)", "background"},
           {R"("input": "a", "include": ["file_search_call.results"])", "include"},
           {R"("input": "a", "text": {"format": {"type": "json_schema", "name": "a",
               "schema": {"anyOf": []}}})",
            "text.format"},
           {R"("input": "a", "tools": [{"type": "web_search"}])", "tools[0].type"},
           {R"("input": "a", "tools": [{"type": "function", "name": "f"}],
               "tool_choice": {"type": "function", "name": "f"})",
            "tool_choice"},
           {R"("input": "a", "max_tokens": 1)", "max_tokens"}}) {
    CAPTURE(fields);
    auto answer = reader.post(path, "{" + fields + "}");
    CHECK(answer.status == 400);
    CAPTURE(answer.body);
    CHECK(text_at(parse(answer.body), {"error", "param"}) == param);
  }
}

TEST_CASE("logprobs of a response") {
  net_stage stage;
  stage.script().answer = "ab";
  client reader(stage.port());
  auto answer = parse(reader
                          .post(path, R"({"input": "a", "top_logprobs": 1,
      "include": ["message.output_text.logprobs"]})")
                          .body);
  auto& logprobs = at(answer, {"output", "0", "content", "0", "logprobs"});
  CHECK(logprobs.as_array()->size() == 2);
  CHECK(text_at(logprobs, {"1", "top_logprobs", "0", "token"}) == "b");
}

TEST_CASE("a path may have one part of any name") {
  auto find = [](std::string_view method, std::string_view where) {
    return find_route(all_routes(), method, where);
  };
  CHECK(find("GET", "/v1/responses/resp_1").path == "/v1/responses/{}");
  CHECK(find("GET", "/v1/responses/resp_1").allowed_methods == "GET, HEAD, DELETE");
  CHECK(find("DELETE", "/v1/responses/resp_1").found != nullptr);
  CHECK(find("POST", "/v1/responses/resp_1").found == nullptr);
  CHECK(find("GET", "/v1/responses/resp_1/input_items").path == "/v1/responses/{}/input_items");
  CHECK(find("GET", "/v1/responses/").path.empty());
  CHECK(find("GET", "/v1/responses/a/b").path.empty());
  CHECK(find("GET", "/v1/responses//input_items").path.empty());
  CHECK(find("POST", "/v1/responses").found != nullptr);
}

}  // namespace
}  // namespace troupe::test
