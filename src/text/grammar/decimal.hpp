// Decimal numbers of any size, exactly: as JSON spells them, never through a double.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::grammar {

// (-1)^negative * 0.digits * 10^point; digits without zeros at either end, none for zero.
struct decimal {
  bool negative = false;
  std::string digits;
  std::int64_t point = 0;

  bool is_zero() const { return digits.empty(); }
  bool is_integer() const { return static_cast<std::int64_t>(digits.size()) <= point; }
  // The digits before and after the decimal point; the former is empty below one.
  std::string whole() const;
  std::string fraction() const;
  bool operator==(const decimal&) const = default;
};

// `text` is a JSON number; nothing when its exponent is beyond what can be written out (1,000).
std::optional<decimal> parse_decimal(std::string_view text);
std::strong_ordering compare(const decimal& a, const decimal& b);
// Is a / b an integer? b is positive and not zero.
bool is_multiple(const decimal& a, const decimal& b);

}  // namespace troupe::grammar
