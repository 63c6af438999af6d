// The properties of code points that tokenization asks for, as one table.
#pragma once
#include "text/utf8.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe {

// The four kinds that the pre-tokenizer's pattern tells apart: \p{L}, \p{N}, \s and the rest.
enum class char_kind : std::uint8_t { other, letter, number, space };

class unicode_table {
 public:
  // Built once (some ms) from utf8proc, then constant.
  static const unicode_table& get();

  char_kind kind(char32_t c) const { return static_cast<char_kind>(at(c) & 3U); }
  // NFC leaves it as it is whatever stands around it: no combining class, no decomposition that
  // stays, and never the second half of a composition.
  bool is_nfc_inert(char32_t c) const { return (at(c) & 4U) != 0; }

 private:
  unicode_table();
  std::uint8_t at(char32_t c) const { return pages_[page_[c >> 8U]][c & 0xFFU]; }

  using page = std::array<std::uint8_t, 256>;
  std::array<std::uint16_t, 0x1100> page_{};  // code point / 256 -> index into pages_
  std::vector<page> pages_;                   // equal pages are stored once
};

}  // namespace troupe
