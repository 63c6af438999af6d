#include "text/json_number.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <system_error>

namespace troupe {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The parts of -?int(.fraction)?([eE][+-]?digits)?; empty views where a part is missing.
struct number_parts {
  std::string_view integer, fraction, exponent;  // exponent keeps its sign but no '+'
  bool is_real = false;
};

std::string_view take_digits(std::string_view& rest) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_digit);
  const auto digits = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  rest.remove_prefix(digits.size());
  return digits;
}

bool split(std::string_view token, number_parts& parts) {
  if (token.starts_with('-')) token.remove_prefix(1);
  parts.integer = take_digits(token);
  if (parts.integer.empty() || (parts.integer.size() > 1 && parts.integer[0] == '0')) return false;
  if (token.starts_with('.')) {
    token.remove_prefix(1);
    parts.fraction = take_digits(token);
    if (parts.fraction.empty()) return false;
    parts.is_real = true;
  }
  if (token.starts_with('e') || token.starts_with('E')) {
    token.remove_prefix(1);
    if (token.starts_with('+'))
      token.remove_prefix(1);
    else if (token.starts_with('-') && token.size() > 1 && is_digit(token[1])) {
      parts.exponent = token;
      token.remove_prefix(1);
    }
    const auto digits = take_digits(token);
    if (digits.empty()) return false;
    if (parts.exponent.empty()) parts.exponent = digits;
    parts.is_real = true;
  }
  return token.empty();
}

// from_chars reports values that are too large and too small alike; the decimal magnitude tells.
bool is_below_one(const number_parts& parts) {
  long long exponent = 0;
  if (!parts.exponent.empty()) {
    const auto* end = parts.exponent.data() + parts.exponent.size();
    const auto read = std::from_chars(parts.exponent.data(), end, exponent);
    if (read.ec != std::errc{}) return parts.exponent[0] == '-';
  }
  if (parts.integer != "0") return exponent + static_cast<long long>(parts.integer.size()) <= 0;
  const auto zeros = std::min(parts.fraction.find_first_not_of('0'), parts.fraction.size());
  return exponent <= static_cast<long long>(zeros);
}

// Zeros at either end do not count.
std::string significant_digits(std::string_view integer, std::string_view fraction) {
  std::string digits(integer);
  digits += fraction;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

// Does the shortest spelling of `real`, which was read from `parts`, mean the same number?
bool keeps_digits(const number_parts& parts, double real) {
  constexpr std::size_t always_kept = 15;  // of normal doubles
  if (std::abs(real) > 1e-300 && parts.integer.size() + parts.fraction.size() <= always_kept) {
    return true;
  }
  const std::string digits = significant_digits(parts.integer, parts.fraction);
  if (digits.empty() || real == 0) return digits.empty();
  if (std::abs(real) > 1e-300 && digits.size() <= always_kept) return true;
  char text[32];
  const auto whole =
      std::to_chars(text, text + sizeof text, std::abs(real), std::chars_format::scientific);
  number_parts shortest;
  split({text, static_cast<std::size_t>(whole.ptr - text)}, shortest);
  // Both round to the same double, so with the same digits they have the same magnitude.
  return digits == significant_digits(shortest.integer, shortest.fraction);
}

}  // namespace

number_defect parse_json_number(std::string_view token, json_value& out) {
  number_parts parts;
  if (!split(token, parts)) return number_defect::malformed;
  const char* const end = token.data() + token.size();
  if (!parts.is_real) {
    std::int64_t small = 0;
    if (std::from_chars(token.data(), end, small).ec == std::errc{}) {
      out = json_value(small);
      return number_defect::none;
    }
    std::uint64_t large = 0;
    if (token[0] != '-' && std::from_chars(token.data(), end, large).ec == std::errc{}) {
      out = json_value(large);
      return number_defect::none;
    }
  }
  double real = 0;
  if (std::from_chars(token.data(), end, real).ec != std::errc{}) {
    if (!is_below_one(parts)) return number_defect::overflow;
    real = token[0] == '-' ? -0.0 : 0.0;
  }
  out = parts.is_real && keeps_digits(parts, real) ? json_value(real)
                                                   : json_value(wide_number{std::string(token)});
  return number_defect::none;
}

double rounded_number(std::string_view number) {
  double real = 0;
  std::from_chars(number.data(), number.data() + number.size(), real);
  return real;
}

void append_double(std::string& out, double value) {
  char text[64];
  const auto whole = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  const std::string_view scientific(text, static_cast<std::size_t>(whole.ptr - text));
  const char* exponent_text = text + scientific.find('e') + 1;
  if (*exponent_text == '+') ++exponent_text;
  int exponent = 0;
  std::from_chars(exponent_text, whole.ptr, exponent);
  if (exponent < -4 || exponent >= 16) {
    out += scientific;
    return;
  }
  const auto fixed = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  const std::string_view plain(text, static_cast<std::size_t>(fixed.ptr - text));
  out += plain;
  if (plain.find('.') == std::string_view::npos) out += ".0";
}

}  // namespace troupe
