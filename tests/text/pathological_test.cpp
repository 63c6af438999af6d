// Inputs that make backtracking patterns and quadratic merges stand still. The bounds are generous:
// a quadratic step on a megabyte takes minutes.
#include "shared_data.hpp"
#include "small_model.hpp"
#include "text/normalizer.hpp"
#include "text/tokenizer.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace troupe {
namespace {

constexpr std::size_t megabyte = 1'000'000;
constexpr double most_seconds = 5;

std::string repeat(std::string_view what) {
  std::string text;
  while (text.size() < megabyte) text += what;
  return text;
}

void check_all(const tokenizer& words) {
  for (const char* what : {"a",
                           "ab",
                           " ",
                           "\n",
                           "          \n",
                           "\t ",
                           "'",
                           "7",
                           "<|",
                           "<|im_end|",
                           "<|end|>",
                           "\U0001F600",
                           "\u0301",
                           "\u0301\u0316",
                           "\u1112\u1161\u11ab",
                           "\u4f60\u597d",
                           "\xFF",
                           "\xE4\xBD",
                           "\u3000",
                           "a\u0301"}) {
    const std::string text = repeat(what);
    CAPTURE(what);
    const auto begin = std::chrono::steady_clock::now();
    const auto ids = words.encode(text);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    CHECK(time.count() < most_seconds);
    std::string buffer;
    CHECK(words.decode(ids, false) == to_nfc(repair_utf8(text), buffer));
  }
}

TEST_CASE("a megabyte of one thing takes linear time, small model") {
  const temporary_folder folder;
  folder.write_json("tokenizer.json", small_model{}.tokenizer_json());
  const auto words = tokenizer::load(folder.path());
  REQUIRE(words);
  check_all(*words);
}

TEST_CASE("a megabyte of one thing takes linear time, Qwen2.5") {
  if (!has_shared("qwen2_5/tokenizer.json")) return;
  const auto words = tokenizer::load(shared_data() / "qwen2_5");
  REQUIRE(words);
  check_all(*words);
}

TEST_CASE("deeply mixed-up marks are ordered in time") {
  std::string text = "e";
  for (int i = 0; i < 150'000; ++i) text += "\u0345\u0301\u0316\u0334";
  std::string buffer;
  const auto begin = std::chrono::steady_clock::now();
  const std::string_view composed = to_nfc(text, buffer);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  CHECK(time.count() < most_seconds);
  CHECK(composed.starts_with("\u00e9\u0334\u0334"));
  CHECK(composed.ends_with("\u0345\u0345"));
}

}  // namespace
}  // namespace troupe
