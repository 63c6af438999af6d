#include "text/grammar/decimal.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

constexpr std::int64_t max_exponent = 1'000;

int compare_magnitudes(const decimal& a, const decimal& b) {
  if (a.is_zero() || b.is_zero()) return int{!a.is_zero()} - int{!b.is_zero()};
  if (a.point != b.point) return a.point < b.point ? -1 : 1;
  const int order = a.digits.compare(b.digits);
  return (order > 0) - (order < 0);
}

// digits * 10^zeros modulo `divisor`, all as decimal digits: long division.
bool divides(const std::string& dividend, const std::string& divisor) {
  std::string rest;
  const auto strip = [](std::string& s) {
    s.erase(0, std::min(s.find_first_not_of('0'), s.size()));
  };
  const auto at_least = [](const std::string& x, const std::string& y) {
    return x.size() != y.size() ? x.size() > y.size() : x >= y;
  };
  for (const char digit : dividend) {
    rest += digit;
    strip(rest);
    while (at_least(rest, divisor)) {
      int borrow = 0;
      for (std::size_t i = 0; i < rest.size(); ++i) {
        char& r = rest[rest.size() - 1 - i];
        int d = r - '0' - borrow - (i < divisor.size() ? divisor[divisor.size() - 1 - i] - '0' : 0);
        borrow = d < 0 ? 1 : 0;
        r = static_cast<char>('0' + d + 10 * borrow);
      }
      strip(rest);
    }
  }
  return rest.empty();
}

}  // namespace

std::string decimal::whole() const {
  if (point <= 0) return {};
  std::string out = digits.substr(0, static_cast<std::size_t>(point));
  out.resize(static_cast<std::size_t>(is_zero() ? 0 : point), '0');
  return out;
}

std::string decimal::fraction() const {
  if (is_integer()) return {};
  if (point >= 0) return digits.substr(static_cast<std::size_t>(point));
  return std::string(static_cast<std::size_t>(-point), '0') + digits;
}

std::optional<decimal> parse_decimal(std::string_view text) {
  decimal out;
  if (text.starts_with('-')) {
    out.negative = true;
    text.remove_prefix(1);
  }
  std::int64_t exponent = 0;
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    const bool minus = digits.starts_with('-');
    if (minus || digits.starts_with('+')) digits.remove_prefix(1);
    for (const char digit : digits) exponent = std::min(exponent * 10 + (digit - '0'), 1'000'000L);
    if (minus) exponent = -exponent;
    text = text.substr(0, e);
  }
  const auto point = std::min(text.find('.'), text.size());
  out.digits = text.substr(0, point);
  out.point = static_cast<std::int64_t>(point) + exponent;
  if (point < text.size()) out.digits += text.substr(point + 1);
  const auto first = std::min(out.digits.find_first_not_of('0'), out.digits.size());
  out.digits.erase(0, first);
  out.point -= static_cast<std::int64_t>(first);
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  if (out.is_zero()) return decimal{};
  if (out.point > max_exponent || out.point < -max_exponent) return std::nullopt;
  return out;
}

std::strong_ordering compare(const decimal& a, const decimal& b) {
  if (a.negative != b.negative) return b.negative <=> a.negative;
  const int order = compare_magnitudes(a, b);
  return a.negative ? 0 <=> order : order <=> 0;
}

bool is_multiple(const decimal& a, const decimal& b) {
  if (a.is_zero()) return true;
  // Both as integers at the scale of the finer one.
  const auto low = [](const decimal& x) { return x.point - std::int64_t(x.digits.size()); };
  const std::int64_t scale = std::min(low(a), low(b));
  const std::string dividend = a.digits + std::string(std::size_t(low(a) - scale), '0');
  const std::string divisor = b.digits + std::string(std::size_t(low(b) - scale), '0');
  return divides(dividend, divisor);
}

}  // namespace troupe::grammar
