#include "text/unicode.hpp"

#include "text/normalizer.hpp"

#include <utf8proc.h>

#include <map>

namespace troupe {
namespace {

char_kind kind_of(char32_t c) {
  // Unicode's White_Space, which regular expressions call \s.
  if ((c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
      (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
      c == 0x3000) {
    return char_kind::space;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return char_kind::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return char_kind::number;
    default: return char_kind::other;
  }
}

}  // namespace

const unicode_table& unicode_table::get() {
  static const unicode_table table;
  return table;
}

unicode_table::unicode_table() {
  const composition_table& compositions = composition_table::get();
  // No version of Unicode has characters in these planes; they are most of all code points.
  constexpr std::uint32_t first_empty = 0x400;
  constexpr std::uint32_t end_empty = 0xE00;
  std::map<page, std::uint16_t> known;
  for (std::uint32_t i = 0; i < page_.size(); ++i) {
    if (i > first_empty && i < end_empty) {
      page_[i] = page_[first_empty];
      continue;
    }
    page bits{};
    for (std::uint32_t low = 0; low < bits.size(); ++low) {
      const char32_t c = i << 8U | low;
      const unsigned inert = compositions.is_inert(c) ? 4U : 0U;
      bits[low] = static_cast<std::uint8_t>(static_cast<unsigned>(kind_of(c)) | inert);
    }
    const auto [place, is_new] = known.emplace(bits, static_cast<std::uint16_t>(pages_.size()));
    if (is_new) pages_.push_back(bits);
    page_[i] = place->second;
  }
}

}  // namespace troupe
