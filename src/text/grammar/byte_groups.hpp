// Bytes in a few groups, as a set in one word: what is true of all tokens below a node of the
// vocabulary's trie, and what a place in a terminal puts up with. Each ASCII sign is a group of its
// own, digits and letters are few; all other characters are two.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace troupe::grammar {

using byte_groups = std::uint64_t;  // bit g: group g

namespace group {
inline constexpr std::uint8_t first_sign = 4;     // of the blank; after other controls, \t \n \r
inline constexpr std::uint8_t beyond_ascii = 43;  // characters, all but these:
inline constexpr std::uint8_t line_ends = 44;     // U+2028 and U+2029, which `.` leaves out
inline constexpr std::uint8_t broken = 45;        // bytes that are no UTF-8
}  // namespace group

constexpr byte_groups group_bit(std::uint8_t group) { return byte_groups{1} << group; }

// The group of each ASCII byte.
inline constexpr std::array<std::uint8_t, 128> ascii_groups = [] {
  std::array<std::uint8_t, 128> out{};
  out['\t'] = 1;
  out['\n'] = 2;
  out['\r'] = 3;
  std::uint8_t next = group::first_sign;
  const auto add = [&](int first, int last) {
    for (int c = first; c <= last; ++c) out[static_cast<std::size_t>(c)] = next;
    ++next;
  };
  for (int c = ' '; c <= 0x7F; ++c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter && (c < '0' || c > '9')) add(c, c);
  }
  add('0', '9');
  add('a', 'f');
  add('g', 'z');
  add('A', 'F');
  add('G', 'Z');
  return out;
}();
static_assert(ascii_groups['Z'] == group::beyond_ascii - 1);

inline constexpr byte_groups all_groups = group_bit(group::broken) - 1;  // of what is UTF-8
// Those that stand for themselves in a JSON string.
inline constexpr byte_groups harmless_groups = [] {
  byte_groups out = all_groups & ~group_bit(ascii_groups['"']) & ~group_bit(ascii_groups['\\']);
  for (std::size_t control = 0; control < 0x20; ++control) out &= ~group_bit(ascii_groups[control]);
  return out;
}();

}  // namespace troupe::grammar
