#include "text/utf8.hpp"

#include <simdjson.h>

namespace troupe {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

}  // namespace

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | code_point >> 6U);
    put(0x80U | (code_point & 0x3FU));
  } else if (code_point < 0x10000) {
    put(0xE0U | code_point >> 12U);
    put(0x80U | (code_point >> 6U & 0x3FU));
    put(0x80U | (code_point & 0x3FU));
  } else {
    put(0xF0U | code_point >> 18U);
    put(0x80U | (code_point >> 12U & 0x3FU));
    put(0x80U | (code_point >> 6U & 0x3FU));
    put(0x80U | (code_point & 0x3FU));
  }
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

std::string_view utf8_head(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && is_utf8_continuation(text[max_bytes])) --max_bytes;
  return text.substr(0, max_bytes);
}

std::size_t find_ill_formed_utf8(std::string_view text) {
  if (is_utf8(text)) return text.size();
  utf8_decoder decoder;
  std::string out;
  std::size_t begin = 0;  // of the character that is being read
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!decoder.is_inside_character()) begin = i;
    out.clear();
    decoder.push(text.substr(i, 1), out);
    // Nothing else than a defect writes a replacement that the text does not hold there.
    if (out.starts_with(replacement) && text.substr(begin, 3) != replacement) return begin;
  }
  return begin;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  utf8_decoder decoder;
  decoder.push(text, out);
  decoder.finish(out);
  return out;
}

void utf8_decoder::push(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (num_missing_ == 0) {
      begin_character(byte, out);
    } else if (byte < lowest_ || byte > highest_ || is_surrogate()) {
      finish(out);
      begin_character(byte, out);
    } else if (--num_missing_ > 0) {
      tail_[num_tail_++] = c;
      lowest_ = 0x80;
      highest_ = 0xBF;
    } else {
      out.append(tail_.data(), num_tail_);
      out += c;
    }
  }
}

void utf8_decoder::finish(std::string& out) {
  if (num_missing_ > 0) out += replacement;
  if (is_surrogate()) out += replacement;
  num_missing_ = 0;
}

bool utf8_decoder::is_surrogate() const {
  return num_missing_ == 1 && num_tail_ == 2 && tail_[0] == '\xED' &&
         static_cast<unsigned char>(tail_[1]) >= 0xA0;
}

void utf8_decoder::begin_character(unsigned char byte, std::string& out) {
  if (byte < 0x80) {
    out += static_cast<char>(byte);
    return;
  }
  if (byte < 0xC2 || byte > 0xF4) {
    out += replacement;
    return;
  }
  num_missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  // These lead bytes allow overlong forms or too large code points after them.
  lowest_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
  highest_ = byte == 0xF4 ? 0x8F : 0xBF;
  tail_[0] = static_cast<char>(byte);
  num_tail_ = 1;
}

}  // namespace troupe
