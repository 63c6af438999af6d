#include "text/json_unescaper.hpp"

#include "text/utf8.hpp"

namespace troupe {
namespace {

constexpr char32_t replacement = 0xFFFD;

// The value of a hexadecimal digit, or -1.
int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What the letter after a backslash stands for, or 0.
char unescape(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

}  // namespace

json_unescaper::progress json_unescaper::push(char byte, std::string& out) {
  if (missing_digits_ > 0) return push_digit(byte, out);
  if (is_escaped_) return push_escaped(byte, out);
  if (byte == '\\') {
    is_escaped_ = true;
    return progress::inside;
  }
  take_half(out);
  if (byte == '"') return progress::ended;
  if (static_cast<unsigned char>(byte) < 0x20) return progress::malformed;
  out += byte;
  return progress::inside;
}

json_unescaper::progress json_unescaper::push_escaped(char byte, std::string& out) {
  is_escaped_ = false;
  if (byte == 'u') {
    missing_digits_ = 4;
    unit_ = 0;
    return progress::inside;
  }
  take_half(out);
  const char meant = unescape(byte);
  if (meant == 0) return progress::malformed;
  out += meant;
  return progress::inside;
}

json_unescaper::progress json_unescaper::push_digit(char byte, std::string& out) {
  const int value = digit_value(byte);
  if (value < 0) return progress::malformed;
  unit_ = unit_ * 16 + static_cast<char32_t>(value);
  if (--missing_digits_ == 0) take_unit(out);
  return progress::inside;
}

void json_unescaper::take_unit(std::string& out) {
  const bool is_low = unit_ >= 0xDC00 && unit_ <= 0xDFFF;
  if (is_low && high_half_ != 0) {
    append_utf8(out, 0x10000 + ((high_half_ - 0xD800) << 10U) + (unit_ - 0xDC00));
    high_half_ = 0;
    return;
  }
  take_half(out);
  if (unit_ >= 0xD800 && unit_ <= 0xDBFF)
    high_half_ = unit_;
  else
    append_utf8(out, is_low ? replacement : unit_);
}

void json_unescaper::take_half(std::string& out) {
  if (high_half_ != 0) append_utf8(out, replacement);
  high_half_ = 0;
}

}  // namespace troupe
