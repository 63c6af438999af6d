#include "text/byte_level.hpp"

#include "text/utf8.hpp"

#include <array>
#include <cstdint>

namespace troupe {
namespace {

constexpr std::int16_t no_byte = -1;

constexpr bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<std::int16_t, 256 + 68> make_alphabet() {
  std::array<std::int16_t, 256 + 68> byte_of{};
  std::int16_t num_others = 0;
  for (std::int16_t byte = 0; byte < 256; ++byte) {
    const bool same = stands_for_itself(byte);
    byte_of[static_cast<std::size_t>(byte)] = same ? byte : no_byte;
    if (!same) byte_of[static_cast<std::size_t>(256 + num_others++)] = byte;
  }
  return byte_of;
}

constexpr auto byte_of = make_alphabet();

}  // namespace

bool append_spelled_bytes(std::string& out, std::string_view spelling) {
  for (std::size_t at = 0; at < spelling.size();) {
    const utf8_char c = read_utf8(spelling, at);
    if (c.code_point >= byte_of.size() || byte_of[c.code_point] == no_byte) return false;
    out += static_cast<char>(byte_of[c.code_point]);
    at += c.num_bytes;
  }
  return true;
}

}  // namespace troupe
