#include "cli/conversation.hpp"

#include <doctest/doctest.h>

#include "cli/chat_exchange.hpp"

using namespace troupe;

TEST_CASE("a body holds the system message, the turns and what was asked for") {
  conversation talk{.system = "Be brief.", .turns = {{"user", "a \"b\""}}};
  chat_sampling how{.model = "m", .temperature = 0.5, .max_tokens = 9, .seed = -3};
  CHECK(chat_body(talk, how) ==
        R"({"model":"m","messages":[{"role":"system","content":"Be brief."},)"
        R"({"role":"user","content":"a \"b\""}],"temperature":0.5,"max_tokens":9,"seed":-3,)"
        R"("stream":true,"stream_options":{"include_usage":true}})");
  CHECK(chat_body({}, {.stream = false}) == R"({"messages":[],"stream":false})");
}

TEST_CASE("a saved conversation is read back") {
  conversation talk{.system = "s", .turns = {{"user", "u\n\x1b"}, {"assistant", "a"}}};
  auto back = parse_conversation(conversation_json(talk));
  REQUIRE(back);
  CHECK(back->system == "s");
  REQUIRE(back->turns.size() == 2);
  CHECK(back->turns[0].content == "u\n\x1b");
  CHECK(back->turns[1].role == "assistant");
}

TEST_CASE("a file that holds no conversation is refused") {
  for (auto text : {"", "[]", "{}", R"({"messages": 1})", R"({"messages": [1]})",
                    R"({"messages": [{"role": "user"}]})",
                    R"({"messages": [{"role": "robot", "content": ""}]})",
                    R"({"messages": [{"role": "user", "content": ""},
                                     {"role": "system", "content": ""}]})"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_conversation(text));
  }
}

TEST_CASE("a piece of an answer in each of its shapes") {
  auto text = [](std::string_view json) { return parse_chat_piece(json)->content; };
  CHECK(text(R"({"choices": [{"delta": {"role": "assistant", "content": "a"}}]})") == "a");
  CHECK(text(R"({"choices": [{"delta": {"content": null}}], "usage": null})").empty());
  CHECK(text(R"({"choices": [{"delta": {}}]})").empty());
  CHECK(text(R"({"choices": []})").empty());
  CHECK(text(R"({"choices": [{"message": {"content": "whole"}}]})") == "whole");
  CHECK(parse_chat_piece("[DONE]")->is_done);
  auto last = parse_chat_piece(R"({"choices": [], "usage": {"completion_tokens": 7}})");
  CHECK(last->completion_tokens == 7);
  CHECK_FALSE(parse_chat_piece("no"));
  auto failed = parse_chat_piece(R"({"error": {"message": "the device failed"}})");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "the device failed");
}

TEST_CASE("an error is one printable line in whatever shape it comes") {
  CHECK(error_message(R"({"error": {"message": "a\nb"}})") == "a b");
  CHECK(error_message(R"({"error": "a"})") == "a");
  CHECK(error_message(R"({"message": "a"})") == "a");
  CHECK(error_message("<html>\x1b[2J\r\n\xff</html>") == "<html>[2J \xEF\xBF\xBD</html>");
  CHECK(error_message(std::string(5000, 'x')).size() == 300);
}

TEST_CASE("nothing that commands a terminal is printed") {
  CHECK(printable("a\x1b[31m\tb\n\r\x07\x7f") == "a[31m\tb\n");
  CHECK(printable("\xC2\x9B"
                  "31m\xE2\x82\xAC\xF0\x9F\x90\x9F") == "31m\xE2\x82\xAC\xF0\x9F\x90\x9F");
}

TEST_CASE("times and tokens in one line") {
  using seconds = std::chrono::duration<double>;
  chat_answer answer{.num_tokens = 11, .first_token = seconds(0.25), .last_token = seconds(2.25)};
  CHECK(describe(answer) == "0.25 s to the first token, 11 tokens, 5.0 tokens/s");
  CHECK(describe({.num_tokens = 1}) == "0.00 s to the first token, 1 tokens");
}

TEST_CASE("the model is the first that the server names") {
  CHECK(first_model(R"({"data": [{"id": "a"}, {"id": "b"}]})") == "a");
  for (auto text : {"", "{}", R"({"data": []})", R"({"data": [{}]})"})
    CHECK(first_model(text) == "");
}
