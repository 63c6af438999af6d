// The detokenizer on a small model: characters across tokens, stop strings across tokens.
#include "text/detokenizer.hpp"

#include "small_model.hpp"

#include <doctest/doctest.h>

#include <random>

namespace troupe {
namespace {

using strings = std::vector<std::string>;

std::shared_ptr<const tokenizer> words() {
  static const auto loaded = [] {
    const temporary_folder folder;
    folder.write_json("tokenizer.json", small_model{}.tokenizer_json());
    auto model = tokenizer::load(folder.path());
    REQUIRE(model);
    return std::make_shared<const tokenizer>(*std::move(model));
  }();
  return loaded;
}

// What was certain after each byte, then after the end.
strings feed(std::string_view bytes, detokenizer_options options, std::string* matched = nullptr) {
  detokenizer out(words(), std::move(options));
  strings parts;
  for (const char byte : bytes) {
    out.push(static_cast<unsigned char>(byte));
    parts.push_back(out.take());
  }
  out.finish();
  parts.push_back(out.take());
  if (matched != nullptr) *matched = out.matched_stop().value_or("");
  return parts;
}

std::string join(const strings& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

TEST_CASE("only whole characters come out, ill-formed ones as soon as they are known") {
  CHECK(feed("a\xE4\xBD\xA0z", {}) == strings{"a", "", "", "\u4f60", "z", ""});
  CHECK(feed("\xE4\xBDz", {}) == strings{"", "", "\ufffdz", ""});
  CHECK(feed("\xF0\x9F\x98", {}) == strings{"", "", "", "\ufffd"});
}

TEST_CASE("only what may become a stop string is held back") {
  CHECK(feed("xENxEND", {.stop = {"END"}}) == strings{"x", "", "", "ENx", "", "", "", ""});
  CHECK(feed("xEN", {.stop = {"END"}}) == strings{"x", "", "", "EN"});
  CHECK(feed("EENDx", {.stop = {"END"}}) == strings{"", "E", "", "", "", ""});
  CHECK(feed("ENDx", {.include_stop_str_in_output = true, .stop = {"END"}}) ==
        strings{"E", "N", "D", "", ""});
}

TEST_CASE("the first stop to complete wins, the longest among those that end together") {
  std::string matched;
  CHECK(join(feed("say hello world", {.stop = {"hello world", "hello"}}, &matched)) == "say ");
  CHECK(matched == "hello");
  CHECK(join(feed("xaby", {.stop = {"b", "ab", "xab!"}}, &matched)) == "x");
  CHECK(matched == "ab");
  CHECK(join(feed("abcd", {.stop = {"bc", "abce"}}, &matched)) == "a");
  CHECK(matched == "bc");
  CHECK(join(feed("nothing", {.stop = {"x"}}, &matched)) == "nothing");
  CHECK(matched.empty());
  CHECK(join(feed("a\xFF"
                  "b",
                  {.stop = {"\ufffd"}}, &matched)) == "a");
  CHECK(matched == "\ufffd");
  // The unfinished character becomes the stop string only when the text ends.
  CHECK(join(feed("a\xE4", {.stop = {"\ufffd"}}, &matched)) == "a");
  CHECK(matched == "\ufffd");
}

TEST_CASE("after a stop nothing is added") {
  detokenizer out(words(), {.stop = {"b"}});
  CHECK(!out.push('a'));
  CHECK(out.push('b'));
  CHECK(out.push('c'));
  out.finish();
  CHECK(out.take() == "a");
  CHECK(out.matched_stop() == "b");
}

TEST_CASE(
    "special tokens are skipped or shown, unknown ids add nothing, the prompt is not repeated") {
  detokenizer out(words(), {}, {'p', 'q', 0xE4, 263, 0xBD});
  out.push(263);
  out.push(5'000);
  out.push(0xA0);
  out.push(264);
  CHECK(out.take() == "\u4f60<tool>");
  detokenizer shown(words(), {.skip_special_tokens = false});
  shown.push(263);
  CHECK(shown.take() == "<|end|>");
}

// The definition: look at the whole text after each byte.
std::string cut_naively(const std::string& text, const strings& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      if (std::string_view(text).substr(0, end).ends_with(stop)) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

TEST_CASE("random stop strings in random text") {
  std::mt19937 random(9);
  const auto letters = [&](std::size_t most) {
    std::string text;
    for (std::size_t i = 0, n = 1 + random() % most; i < n; ++i) {
      text += static_cast<char>('a' + random() % 2);
    }
    return text;
  };
  for (int round = 0; round < 5'000; ++round) {
    strings stops;
    for (std::size_t i = 0, n = 1 + random() % 4; i < n; ++i) stops.push_back(letters(8));
    const std::string text = letters(40);
    CAPTURE(text);
    REQUIRE(join(feed(text, {.stop = stops})) == cut_naively(text, stops));
  }
}

}  // namespace
}  // namespace troupe
