// UTF-8 by Unicode's table 3-7: what is ill-formed counts as U+FFFD, one per maximal subpart.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

inline bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

struct utf8_char {
  char32_t code_point = 0;
  std::uint32_t num_bytes = 0;
};

// The character at `text[at]` of a well-formed text; undefined for any other.
inline utf8_char read_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1FU) << 6U | (byte(1) & 0x3FU), 2};
  if (lead < 0xF0) {
    return {(lead & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU), 3};
  }
  return {(lead & 0x07U) << 18U | (byte(1) & 0x3FU) << 12U | (byte(2) & 0x3FU) << 6U |
              (byte(3) & 0x3FU),
          4};
}

void append_utf8(std::string& out, char32_t code_point);
bool is_utf8(std::string_view text);
// The offset of the first ill-formed byte sequence, or text.size().
std::size_t find_ill_formed_utf8(std::string_view text);
// The longest head of a well-formed text that is no longer than this and cuts no character.
std::string_view utf8_head(std::string_view text, std::size_t max_bytes);
// The text with every ill-formed sequence replaced.
std::string repair_utf8(std::string_view text);

// Bytes in any cut, whole characters out. An ill-formed sequence is replaced as soon as it is known
// to be one; the beginning of a character waits for its rest. (Half a surrogate waits for its third
// byte, too, as in Python's incremental decoder, whose recorded answers the tests compare with.)
class utf8_decoder {
 public:
  void push(std::string_view bytes, std::string& out);
  // No more bytes come: an unfinished character is replaced.
  void finish(std::string& out);
  bool is_inside_character() const { return num_missing_ > 0; }

 private:
  void begin_character(unsigned char byte, std::string& out);
  bool is_surrogate() const;  // the tail is ED A0..BF: two ill-formed bytes

  std::array<char, 3> tail_{};  // [num_tail_], the beginning of a character
  std::uint8_t num_tail_ = 0;
  std::uint8_t num_missing_ = 0;
  unsigned char lowest_ = 0x80, highest_ = 0xBF;  // what the next byte must lie within
};

}  // namespace troupe
