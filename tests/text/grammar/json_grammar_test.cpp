// The grammars of any JSON, of regular expressions and of lists.
#include "grammar_tester.hpp"

#include <thread>

namespace troupe {
namespace {

TEST_CASE("any JSON value is accepted, and nothing else") {
  const auto any = compiled(small_compiler().any_json());
  for (const char* good :
       {"0", "-1.5e+10", "null", "true", "\"\"", "\"\\u001f\\n\\/\xC3\xA9\xF0\x9F\x98\x80\"", "[]",
        "[1,2, \"x\",\n\t[ ] ]", "{}", "{\"a\": [{\"b\": 1}], \"c\":null}", "{ \"a\":1 }"}) {
    CAPTURE(good);
    CHECK(accepts(any, good));
  }
  for (const char* bad : {"",
                          "01",
                          "+1",
                          "-",
                          "-0",
                          "1.",
                          ".5",
                          "1e",
                          "NaN",
                          "nul",
                          "\"",
                          "\"\n\"",
                          "\"\\x\"",
                          "\"\\ud800\"",
                          "\"\xC3\"",
                          "\"\xED\xA0\x80\"",
                          "\"\xC0\x80\"",
                          "\"\xF4\x90\x80\x80\"",
                          "[1,]",
                          "[,]",
                          "[1 2]",
                          "{\"a\"}",
                          "{\"a\":1,}",
                          "{a:1}",
                          "1 ",
                          " 1",
                          "[1]]",
                          "123456789012345678901"}) {
    CAPTURE(bad);
    CHECK_FALSE(accepts(any, bad));
  }
}

TEST_CASE("blanks are bounded") {
  const auto any = compiled(small_compiler().any_json());
  CHECK(accepts(any, "[\n" + std::string(20, ' ') + "1]"));
  CHECK_FALSE(accepts(any, "[\n" + std::string(21, ' ') + "1]"));
  CHECK_FALSE(accepts(any, "[  1]"));
  CHECK_FALSE(accepts(any, "[\n\n1]"));
  CHECK_FALSE(accepts(any, "{\"a\" :1}"));
  CHECK_FALSE(accepts(any, "{\"a\":  1}"));
}

TEST_CASE("an object never repeats a key") {
  const auto object = compiled(small_compiler().any_json_object());
  CHECK(accepts(object, R"({"a": 1, "ab": 2, "b": {"a": 1}})"));
  CHECK_FALSE(accepts(object, R"({"a": 1, "a": 2})"));
  CHECK_FALSE(accepts(object, R"({"\n": 1, "b": 3, "\n": 2})"));
  CHECK_FALSE(accepts(object, R"({"\u000a": 1})"));  // keys have one spelling
  CHECK_FALSE(accepts(object, "[]"));
}

TEST_CASE("nesting ends where it can still be closed") {
  const auto any = compiled(small_compiler().any_json());
  CHECK(accepts(any, std::string(256, '[') + std::string(256, ']')));
  CHECK_FALSE(accepts(any, std::string(257, '[') + std::string(257, ']')));
}

TEST_CASE("regular expressions bind the whole answer") {
  const auto number = compiled(small_compiler().regex("[0-9]{2,3}(-[a-c]+)?"));
  CHECK(accepts(number, "12"));
  CHECK(accepts(number, "123-abc"));
  CHECK_FALSE(accepts(number, "1"));
  CHECK_FALSE(accepts(number, "1234"));
  const auto wide = compiled(small_compiler().regex("^(\xC3\xA9|[^x\\n]{2})$"));
  CHECK(accepts(wide, "\xC3\xA9"));
  CHECK(accepts(wide, "a\xF0\x9F\x98\x80"));
  CHECK_FALSE(accepts(wide, "ax"));
  for (const char* bad :
       {"(a", "a)", "[a", "a{2,1}", "*a", "(?=a)b", "(a)\\1", "\\bx", "a$b", "\\q"}) {
    CAPTURE(bad);
    const auto made = small_compiler().regex(bad);
    REQUIRE_FALSE(made);
    CHECK(made.error().why.keyword == "regex");
  }
}

TEST_CASE("half a surrogate pair is no text, and leads nowhere") {
  for (const char* bad : {"\\ude00", "a\\ud83d", "\\dud83d\\ude00", "[\\ud800-\\udfff]",
                          "x[\\ud83d]y", "[\\udc00\\udc01]+"}) {
    CAPTURE(bad);
    const auto made = small_compiler().regex(bad);
    REQUIRE_FALSE(made);
    CHECK(made.error().why.reason == "matches no text at all");
  }
  CHECK(accepts(compiled(small_compiler().regex("\\ud83d\\ude00")), "\xF0\x9F\x98\x80"));
  const auto rest =
      compiled(small_compiler().regex("[a\\ud800]|\\udfff|[\\ud7ff-\\ud900][^\\ud800-\\udfff]"));
  CHECK(accepts(rest, "a"));
  CHECK(accepts(rest, "\xED\x9F\xBF\xEE\x80\x80"));
  CHECK_FALSE(accepts(rest, "\xEE\x80\x80\xEE\x80\x80"));
}

TEST_CASE("a list of texts") {
  const auto list = compiled(small_compiler().choice({"red", "green", "greenish", "\xC3\xBC"}));
  for (const char* good : {"red", "green", "greenish", "\xC3\xBC"}) CHECK(accepts(list, good));
  for (const char* bad : {"", "gre", "redd", "blue"}) CHECK_FALSE(accepts(list, bad));
  CHECK_FALSE(small_compiler().choice({}));
}

TEST_CASE("eos may come exactly when the answer may end") {
  const auto list = compiled(small_compiler().choice({"a", "ab"}));
  const auto state = list->start();
  std::vector<std::uint32_t> mask(bytes_of(list).words().num_mask_words());
  const auto may = [&](token_id t) {
    state->fill_mask(mask);
    return (mask[static_cast<std::size_t>(t) / 32] >> (t % 32) & 1) != 0;
  };
  const auto find = [&](std::string_view text) {
    token_id t = 1;
    while (bytes_of(list).words().bytes(t) != text) ++t;
    return t;
  };
  CHECK_FALSE(may(0));
  CHECK_FALSE(state->accept(0));
  CHECK(state->accept(find("a")));
  CHECK(may(0));
  CHECK_FALSE(state->is_finished());
  const auto copy = state->clone();
  CHECK(state->accept(find("b")));
  CHECK(state->is_finished());
  CHECK(may(0));
  CHECK(copy->accept(0));
  CHECK(copy->is_finished());
  CHECK_FALSE(copy->accept(find("b")));
}

TEST_CASE("a mask holds exactly the tokens that the acceptor takes") {
  CHECK(walk_and_count_errors(compiled(small_compiler().any_json()), 1, 40) == 0);
  CHECK(walk_and_count_errors(compiled(small_compiler().any_json_object()), 2, 40) == 0);
  CHECK(walk_and_count_errors(compiled(small_compiler().regex("(ab|[^b-d]){3,9}x?")), 3, 20) == 0);
}

TEST_CASE("threads share a compiler and a grammar") {
  const auto shared = compiled(small_compiler().any_json());
  std::vector<std::vector<std::uint32_t>> masks(4);
  std::vector<std::thread> threads;
  for (auto& mask : masks) {
    threads.emplace_back([&shared, &mask] {
      const auto own = small_compiler().regex("[a-z]{1,20}(,[0-9]+)*");
      const auto& grammar = bytes_of(shared);
      grammar::thread_set at = grammar.begin();
      mask.assign(grammar.words().num_mask_words(), 0);
      for (const char byte : std::string_view("{\"key\": [1, \"x\", {\"key\": nul")) {
        grammar.fill(at, mask);
        if (!own || !grammar.accept(at, std::string_view(&byte, 1))) mask.clear();
      }
      bytes_of(own->constraint).fill(bytes_of(own->constraint).begin(), mask);
    });
  }
  for (std::thread& each : threads) each.join();
  CHECK_FALSE(masks[0].empty());
  for (const auto& mask : masks) CHECK(mask == masks[0]);
}

}  // namespace
}  // namespace troupe
