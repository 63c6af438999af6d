// Which templates are recognised, and which conversations are refused in which words.
#include "text/chat_template.hpp"

#include "shared_data.hpp"
#include "small_model.hpp"

namespace troupe {
namespace {

TEST_CASE("a model without Qwen2.5's template has no chat, which is not an error of the model") {
  const temporary_folder folder;
  const auto code = [&] {
    const auto chat = chat_template::load(folder.path());
    return chat ? error_code{} : chat.error().code;
  };
  CHECK(code() == error_code::unsupported);
  for (const char* config :
       {"{}", R"({"chat_template":null})", R"({"chat_template":"{{ messages }}"})",
        R"({"chat_template":[{"name":"other","template":"x"}]})",
        R"({"chat_template":"{%- else %}\n        {{- 'x"})"}) {
    folder.write("tokenizer_config.json", config);
    CHECK(code() == error_code::unsupported);
  }
  folder.write("tokenizer_config.json", "{");
  CHECK(code() == error_code::invalid_argument);
}

TEST_CASE("the default system text is read from the template, everything else must be equal") {
  if (!has_shared("qwen2_5/chat_template.jinja")) return;
  const std::string official = read_shared("qwen2_5/chat_template.jinja");
  const std::string system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  const auto with = [&](const std::string& other) {
    std::string text = official;
    for (std::size_t at = 0; (at = text.find(system, at)) != std::string::npos;) {
      text.replace(at, system.size(), other);
      at += other.size();
    }
    return text;
  };
  const auto hi = parse_json(R"([{"role":"user","content":"Hi"}])");
  for (const char* other : {"You are a helpful assistant.", "X"}) {
    const auto chat = chat_template::recognise(with(other));
    REQUIRE(chat);
    const auto text = chat->render(*hi, {}, false);
    REQUIRE(text);
    CHECK(text->text == std::string("<|im_start|>system\n") + other +
                            "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
  }
  CHECK(chat_template::recognise(official + "\n\n").error().code == error_code::unsupported);
  CHECK(!chat_template::recognise(with("it's")));
  CHECK(!chat_template::recognise(official + "{{ x }}"));
  std::string once = official;
  once.replace(once.find(system), system.size(), "another");
  CHECK(!chat_template::recognise(once));
}

TEST_CASE("a template in a file of its own goes first") {
  if (!has_shared("qwen2_5/chat_template.jinja")) return;
  const temporary_folder folder;
  folder.write("tokenizer_config.json", "{}");
  folder.write("chat_template.jinja", read_shared("qwen2_5/chat_template.jinja"));
  CHECK(chat_template::load(folder.path()));
  folder.write("chat_template.jinja", "unknown");
  CHECK(!chat_template::load(folder.path()));
}

std::string render(std::string_view messages, std::string_view tools = "null") {
  static const auto chat = chat_template::load(shared_data() / "qwen2_5");
  REQUIRE(chat);
  const auto text = chat->render(*parse_json(messages), *parse_json(tools), false);
  if (!text) return text.error().message;
  const std::size_t after_system = text->text.find("<|im_end|>\n") + 11;
  return text->text.substr(after_system);
}

TEST_CASE("conversations are rendered or refused") {
  if (!has_shared("qwen2_5/tokenizer_config.json")) return;
  CHECK(render("[]") == "messages must not be empty");
  CHECK(render("{}") == "messages must be an array, found an object");
  CHECK(render("[1]") == "messages[0].role must be a string, found nothing");
  CHECK(render(R"([{"role":"user","content":"a"},{"role":"developer","content":"b"}])") ==
        "messages[1].role must be system, user, assistant or tool, found \"developer\"");
  CHECK(render(R"([{"role":"user","content":null}])") ==
        "messages[0].content must be a string, found null");
  CHECK(render(R"([{"role":"user","content":[{"type":"text","text":"x"}]}])") ==
        "messages[0].content must be a string, found an array");
  CHECK(render(R"([{"role":"system"}])") == "messages[0].content must be a string, found nothing");
  CHECK(render(R"([{"role":"user","content":"a"}])", "3") ==
        "tools must be an array, found a number");
  CHECK(render(R"([{"role":"user","content":"a"}])", "[3]") ==
        "tools[0] must be an object, found a number");
  CHECK(render(R"([{"role":"tool","content":null}])") ==
        "messages[0].content must be a string, found null");
}

TEST_CASE("tool calls come as objects or as OpenAI's strings, with and without content") {
  if (!has_shared("qwen2_5/tokenizer_config.json")) return;
  const auto with = [](std::string_view call, std::string_view content = "null") {
    std::string messages = R"([{"role":"assistant","content":)";
    messages.append(content).append(R"(,"tool_calls":[)").append(call).append("]}]");
    return render(messages);
  };
  const std::string expected =
      "<|im_start|>assistant\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1.0, \"b\": "
      "\"\u4f60\"}}\n</tool_call><|im_end|>\n";
  CHECK(with(R"({"name":"f","arguments":{"a":1.0,"b":"\u4f60"}})") == expected);
  CHECK(with(R"({"function":{"name":"f","arguments":"{\"a\":1.0,\"b\":\"\u4f60\"}"}})") ==
        expected);
  CHECK(with(R"({"name":"f","arguments":""})", "\"\"").find("\"arguments\": {}}") !=
        std::string::npos);
  CHECK(with(R"({"name":"f","arguments":{}})", "\"so\"") ==
        "<|im_start|>assistant\nso\n<tool_call>\n{\"name\": \"f\", \"arguments\": "
        "{}}\n</tool_call><|im_end|>\n");
  CHECK(with(R"({"name":"f","arguments":"[1]"})") ==
        "messages[0].tool_calls[0].arguments must hold an object, found an array");
  CHECK(
      with(R"({"name":"f","arguments":"{"})").starts_with("messages[0].tool_calls[0].arguments: "));
  CHECK(with(R"({"name":"f"})").find("found nothing") != std::string::npos);
  CHECK(with(R"({"arguments":{}})").find("must name its function") != std::string::npos);
  CHECK(with(R"({"name":"f","arguments":{}})", "7") ==
        "messages[0].content must be a string, found a number");
  CHECK(render(R"([{"role":"assistant","content":"x","tool_calls":{}}])") ==
        "messages[0].tool_calls must be an array, found an object");
  CHECK(render(R"([{"role":"assistant","content":"x","tool_calls":[]}])") ==
        "<|im_start|>assistant\nx<|im_end|>\n");
}

}  // namespace
}  // namespace troupe
