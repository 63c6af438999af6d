// UTF-8, NFC and the pre-tokenizer against definitions and other libraries' answers.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/unicode.hpp"

#include "text/normalizer.hpp"
#include "text/pre_tokenizer.hpp"

#include <doctest/doctest.h>
#include <pcre2.h>
#include <utf8proc.h>

#include <array>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace troupe {
namespace {

TEST_CASE("ill-formed UTF-8 becomes U+FFFD per maximal subpart") {
  const std::string r = "\ufffd";
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"a\u00e9\u4f60\U0001F600", "a\u00e9\u4f60\U0001F600"},
      {"\x80", r},
      {"\xC0\xAF", r + r},
      {"\xE0\x80\xAF", r + r + r},
      {"\xED\xA0\x80", r + r + r},
      {"\xED\xA0", r + r},
      {"\xED\xA0x", r + r + "x"},
      {"\xED", r},
      {"\xED\x9F\xBF", "\uD7FF"},
      {"\xF4\x8F\xBF\xBF", "\U0010FFFF"},
      {"\xF4\x90\x80\x80", r + r + r + r},
      {"\xF0\x9F\x98", r},
      {"\xF0\x9F\x98x", r + "x"},
      {"\xF0\x9F\x98\xF0\x9F\x98\x80", r + "\U0001F600"},
      {"\xE4\xBD\xE4\xBD\xA0", r + "\u4f60"},
      {"\xF8\x88\x80\x80\x80", r + r + r + r + r},
      {"a\xE1\x80\xC2z\xFE", "a" + r + r + "z" + r},
  };
  for (const auto& [bytes, text] : cases) {
    CHECK(repair_utf8(bytes) == text);
    std::string byte_by_byte;
    utf8_decoder decoder;
    for (const char byte : bytes) decoder.push({&byte, 1}, byte_by_byte);
    decoder.finish(byte_by_byte);
    CHECK(byte_by_byte == text);
    CHECK(is_utf8(bytes) == (bytes == text));
  }
  CHECK(find_ill_formed_utf8("ab\u00e9\ufffd") == 7);
  CHECK(find_ill_formed_utf8("ab\u00e9\xC3") == 4);
  CHECK(find_ill_formed_utf8("\ufffd\xED\xA0\x80") == 3);
}

TEST_CASE("a head of a text cuts no character") {
  const std::string text = "a\u00e9\u4e2d\U0001f600z";  // characters of 1, 2, 3, 4 and 1 bytes
  const std::array<std::size_t, 13> sizes{0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (std::size_t i = 0; i < sizes.size(); ++i)
    CHECK(utf8_head(text, i) == text.substr(0, sizes[i]));
}

// Characters whose properties have been settled since long before Unicode 12.1.
constexpr std::pair<char32_t, char32_t> scripts[] = {
    {0x20, 0x7E},       {0x20, 0x7E},       {0x09, 0x0D},       {0x80, 0xFF},
    {0x100, 0x24F},     {0x300, 0x34E},     {0x391, 0x3A1},     {0x400, 0x481},
    {0x5B0, 0x5BD},     {0x5D0, 0x5EA},     {0x620, 0x65F},     {0x660, 0x669},
    {0x915, 0x94D},     {0x9B6, 0x9B9},     {0xE01, 0xE3A},     {0xF40, 0xF47},
    {0xF71, 0xF84},     {0x1100, 0x1112},   {0x1161, 0x1175},   {0x11A8, 0x11C2},
    {0x1E00, 0x1EF9},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x2070, 0x2071},
    {0x2126, 0x2139},   {0x2160, 0x2188},   {0x2460, 0x24FF},   {0x3000, 0x3007},
    {0x3041, 0x3096},   {0x3099, 0x309A},   {0x4E00, 0x9FA5},   {0xAC00, 0xD7A3},
    {0xF900, 0xFA0D},   {0xFB1D, 0xFB36},   {0xFF10, 0xFF5A},   {0x17F, 0x17F},
    {0x212A, 0x212B},   {0x85, 0x85},       {0xA0, 0xA0},       {0x1680, 0x1680},
    {0x1D15E, 0x1D164}, {0x1D400, 0x1D454}, {0x1D7CE, 0x1D7FF}, {0x1F600, 0x1F64F},
    {0x2F800, 0x2FA1D}};

std::string random_text(std::mt19937& random, std::size_t num_chars) {
  std::string text;
  for (std::size_t i = 0; i < num_chars; ++i) {
    const auto& [first, last] = scripts[random() % std::size(scripts)];
    append_utf8(text, first + static_cast<char32_t>(random() % (last - first + 1)));
  }
  return text;
}

std::string utf8proc_nfc(const std::string& text) {
  utf8proc_uint8_t* composed = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  REQUIRE(size >= 0);
  const std::string out(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(size));
  std::free(composed);
  return out;
}

TEST_CASE("NFC equals utf8proc's") {
  std::string buffer;
  for (char32_t c = 1; c < 0x30000; ++c) {
    if (c == 0xD800) c = 0xE000;
    std::string text;
    append_utf8(text, c);
    // Compositions later than Unicode 12.1 stay apart on purpose.
    const std::string expected = utf8proc_nfc(text);
    if (to_nfc(text, buffer) != expected) {
      CAPTURE(static_cast<std::uint32_t>(c));
      CHECK(to_nfc(text, buffer) == expected);
    }
  }
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = random_text(random, 1 + random() % 12);
    const std::string expected = utf8proc_nfc(text);
    REQUIRE(to_nfc(text, buffer) == expected);
  }
}

TEST_CASE("NFC by hand") {
  std::string buffer;
  CHECK(to_nfc("", buffer).empty());
  CHECK(to_nfc("plain", buffer) == "plain");
  CHECK(to_nfc("e\u0301", buffer) == "\u00e9");
  CHECK(to_nfc("\u0301e\u0301x\u0301", buffer) == "\u0301\u00e9x\u0301");
  CHECK(to_nfc("q\u0307\u0323", buffer) == "q\u0323\u0307");
  CHECK(to_nfc("\u1100\u1161\u11a8\u11a8", buffer) == "\uac01\u11a8");
  CHECK(to_nfc("\u212b\u0958", buffer) == "\u00c5\u0915\u093c");
  CHECK(to_nfc("\U00011935\U00011930", buffer) == "\U00011935\U00011930");  // of Unicode 13
}

std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = find_piece_end(text, begin);
    REQUIRE(end > begin);
    REQUIRE(end <= text.size());
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

class pattern {
 public:
  pattern() {
    int error = 0;
    PCRE2_SIZE place = 0;
    code_ =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pre_tokenizer_pattern.data()),
                      pre_tokenizer_pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &place, nullptr);
    REQUIRE(code_ != nullptr);
    match_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~pattern() {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }
  pattern(const pattern&) = delete;
  pattern& operator=(const pattern&) = delete;

  std::vector<std::string> split(std::string_view text) const {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      REQUIRE(pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0,
                          match_, nullptr) > 0);
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match_);
      REQUIRE(span[0] == at);
      pieces.emplace_back(text.substr(at, span[1] - at));
      at = span[1];
    }
    return pieces;
  }

 private:
  pcre2_code* code_ = nullptr;
  pcre2_match_data* match_ = nullptr;
};

TEST_CASE("the scanner cuts as the pattern does") {
  const pattern reference;
  const char* const snippets[] = {
      "'s",           "'S", "'LL",    "'lL",        "'re", "'VE", "'d",  "'m",     "'t",
      "'\u017f",      "'k", "'",      "''",         " ",   "  ",  "\n",  "\r\n",   " \n ",
      "\t",           "a",  "Z",      "7",          "42",  ".",   "...", "\u3000", "\u00a0",
      "\u4f60\u597d", "!?", "\u0301", "\U0001F600", "_",   "foo"};
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::size_t i = 0; i < 1 + random() % 10; ++i) {
      if (random() % 4 == 0)
        text += random_text(random, 1 + random() % 3);
      else
        text += snippets[random() % std::size(snippets)];
    }
    CAPTURE(text);
    REQUIRE(pieces_of(text) == reference.split(text));
  }
}

TEST_CASE("pieces by hand") {
  using list = std::vector<std::string>;
  CHECK(pieces_of("I'm here  now") == list{"I", "'m", " here", " ", " now"});
  CHECK(pieces_of("x =\n\n  y") == list{"x", " =\n\n", " ", " y"});
  CHECK(pieces_of("a \n \n  ") == list{"a", " \n \n", "  "});
  CHECK(pieces_of("123") == list{"1", "2", "3"});
  CHECK(pieces_of("'\u017fx'Slow") == list{"'\u017f", "x", "'S", "low"});
  CHECK(pieces_of("\tfoo\u3000\u3000bar") == list{"\tfoo", "\u3000", "\u3000bar"});
  CHECK(pieces_of("!\r\nok") == list{"!\r\n", "ok"});
}

}  // namespace
}  // namespace troupe
