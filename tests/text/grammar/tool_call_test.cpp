// Answers with tool calls: which tokens lead in and out, and what stands between.
#include "grammar_tester.hpp"

namespace troupe {
namespace {

std::vector<tool_definition> tools() {
  return {{"get_time", json(R"({"type":"object","properties":{"zone":{"type":"string"}},
                               "required":["zone"],"additionalProperties":false})"),
           false},
          {"get_weather", json(R"({"properties":{"city":{"enum":["Rome","Oslo"]}}})"), true},
          {"say \"hi\"", json("{}"), false}};
}

class answer {
 public:
  explicit answer(const token_constraint_ptr& made) : state_(made->start()) {}

  // The text cut into single bytes, each of which has a token, and the two tags.
  bool write(std::string_view text) {
    while (!text.empty()) {
      std::string_view piece = text.substr(0, 1);
      token_id token = -1;
      for (const std::string_view tag : {"<tool_call>", "</tool_call>"}) {
        if (!text.starts_with(tag)) continue;
        piece = tag;
        token = *words().find_added(tag);
      }
      if (token < 0) token = words().encode(piece, added_tokens_in_text::plain).at(0);
      if (may(token) != state_->clone()->accept(token)) FAIL("mask and acceptor differ");
      if (!state_->accept(token)) return false;
      text.remove_prefix(piece.size());
    }
    return true;
  }
  bool may_end() const { return may(0); }
  bool is_finished() const { return state_->is_finished(); }
  const constraint_state& state() const { return *state_; }

  static const tokenizer& words() {
    static const auto loaded = tokenizer::load(TROUPE_DEMO_MODEL);
    return *loaded;
  }

 private:
  bool may(token_id token) const {
    std::vector<std::uint32_t> mask((words().vocab_size() + 131) / 32);
    state_->fill_mask(mask);
    return (mask[static_cast<std::size_t>(token) / 32] >> (token % 32) & 1) != 0;
  }

  std::unique_ptr<constraint_state> state_;
};

token_constraint_ptr calls(tool_choice wanted = {}) {
  return compiled(small_compiler().tool_calls(tools(), wanted));
}

const char* const good_call =
    "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {\"zone\": \"UTC\"}}\n</tool_call>";

TEST_CASE("text, then calls, or text alone") {
  answer text(calls());
  CHECK(text.may_end());
  CHECK(text.write("Let me look: 1 < 2."));
  CHECK(text.may_end());
  CHECK(text.write("\n"));
  CHECK(text.write(good_call));
  CHECK(text.may_end());
  CHECK_FALSE(text.is_finished());
  CHECK_FALSE(text.write(" and"));
  CHECK(text.write("\n"));
  CHECK_FALSE(text.may_end());
  CHECK(text.write(good_call));
  CHECK(text.may_end());
}

TEST_CASE("an answer of a form, or calls, but never both") {
  const auto either = [](const char* schema, bool is_parallel) {
    const tool_choice wanted{tool_choice::mode::automatic, "", is_parallel};
    return compiled(small_compiler().tool_calls(tools(), wanted, of_schema(schema)));
  };
  const auto made = either(R"({"properties":{"a":{"type":"null"}},"required":["a"]})", true);
  answer text(made);
  CHECK_FALSE(text.may_end());
  CHECK_FALSE(text.write("Well"));
  CHECK(text.write("{\"a\": null"));
  CHECK_FALSE(text.write(good_call));
  CHECK(text.write("}"));
  CHECK(text.may_end());
  CHECK(text.is_finished());
  CHECK_FALSE(text.write(good_call));
  answer call(made);
  CHECK(call.write(good_call));
  CHECK(call.may_end());
  CHECK_FALSE(call.write("{"));
  CHECK(call.write("\n"));
  CHECK(call.write(good_call));
  answer one(either("true", false));
  CHECK(one.write(good_call));
  CHECK(one.is_finished());
  const auto of_calls = small_compiler().tool_calls(tools(), {}, calls());
  REQUIRE_FALSE(of_calls);
}

TEST_CASE("text cannot spell a tag") {
  answer text(calls());
  CHECK(text.write("<tool_cal"));
  CHECK(text.may_end());
  token_id last = answer::words().encode("l", added_tokens_in_text::plain).at(0);
  CHECK(last >= 0);
  CHECK(text.write("l"));
  answer again(calls());
  CHECK_FALSE(bytes_of(compiled(small_compiler().regex("x")))
                  .words()
                  .bytes(*answer::words().find_added("<tool_call>"))
                  .size() > 0);
}

TEST_CASE("arguments obey the schema of the tool that is named") {
  for (const char* bad :
       {"<tool_call>{", "<tool_call>\n{\"name\": \"get_date\"", "<tool_call>\n{\"arguments\"",
        "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}",
        "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {\"zone\": 1",
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\"",
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"town\"",
        "<tool_call>\n{\"name\": \"say \\\"hi\\\"\", \"arguments\": 1", "</tool_call>"}) {
    CAPTURE(bad);
    CHECK_FALSE(answer(calls()).write(bad));
  }
  CHECK(answer(calls()).write(
      "<tool_call>\n{\"name\": \"say \\\"hi\\\"\", \"arguments\": {\"a\": [1]}}\n</tool_call>"));
  CHECK(answer(calls()).write(
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>"));
}

TEST_CASE("a call may be demanded, and of one tool") {
  answer demanded(calls({tool_choice::mode::required, "", false}));
  CHECK_FALSE(demanded.may_end());
  CHECK_FALSE(demanded.write("text"));
  CHECK(demanded.write(good_call));
  CHECK(demanded.is_finished());
  CHECK_FALSE(demanded.write("\n"));
  const tool_choice named{tool_choice::mode::named, "get_weather", false};
  CHECK_FALSE(answer(calls(named)).write("<tool_call>\n{\"name\": \"get_time"));
  CHECK(answer(calls(named)).write("<tool_call>\n{\"name\": \"get_weather"));
}

TEST_CASE("the head of a call that must come is forced") {
  answer named(calls({tool_choice::mode::named, "get_weather", false}));
  const auto ids = named.state().forced_tokens();
  REQUIRE(ids.size() > 1);
  CHECK(answer::words().decode(ids, false).starts_with("<tool_call>\n{\"name\": \"get_w"));
  const auto ahead = named.state().clone();
  for (const token_id token : ids) CHECK(ahead->accept(token));
  CHECK(answer(calls()).state().forced_tokens().empty());
}

TEST_CASE("tools that cannot be called are refused") {
  const auto refused = [](std::vector<tool_definition> list, tool_choice wanted) {
    const auto made = small_compiler().tool_calls(list, wanted);
    return made ? std::string("compiled") : made.error().why.reason;
  };
  CHECK(refused({}, {}) == "no tool is given");
  CHECK(refused(tools(), {tool_choice::mode::named, "other", true}) ==
        "there is no tool named other");
  CHECK(refused({{"f", json(R"({"type":"string"})"), false}}, {}) ==
        "tool f: its parameters allow no object");
  CHECK(refused({{"f", json(R"({"type":"float"})"), false}}, {})
            .starts_with("tool f: at /type: type"));
}

}  // namespace
}  // namespace troupe
