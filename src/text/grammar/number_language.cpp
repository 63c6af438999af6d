#include "text/grammar/number_language.hpp"

#include <algorithm>

namespace troupe::grammar {
namespace {

constexpr std::uint32_t free_digits = 20;

}  // namespace

language number_languages::whole(std::uint32_t min_digits, std::uint32_t max_digits) {
  const language longer =
      pool_.concat(digit('1'), pool_.repeat(digit(), min_digits < 2 ? 0 : min_digits - 1,
                                            max_digits == unbounded ? unbounded : max_digits - 1));
  return min_digits > 1 ? longer : pool_.any_of({digit('0', '0'), longer});
}

language number_languages::fraction(std::uint32_t max_digits) {
  return pool_.optional(pool_.concat(word("."), pool_.repeat(digit(), 1, max_digits)));
}

language number_languages::not_zero() {
  const language rest = pool_.repeat(pool_.set({{0, last_symbol}}), 0, unbounded);
  const language zeros = pool_.repeat(pool_.any_of({digit('0', '0'), word(".")}), 0, unbounded);
  return pool_.concat({zeros, digit('1'), rest});
}

// Negative numbers are the spellings of their magnitudes after a minus, zero excluded.
language number_languages::signed_pair(language positive, language negative) {
  return pool_.any_of({positive, pool_.concat(word("-"), pool_.both(negative, not_zero()))});
}

// What follows the mantissa, or nothing. A positive exponent is at most `limit`, of three digits.
language number_languages::exponent(std::string_view limit) {
  const auto below = [&](std::size_t i) {  // three digits, the first that differs at place i
    if (limit[i] == '0') return no_word;
    const auto later = static_cast<std::uint32_t>(2 - i);
    return pool_.concat({word(limit.substr(0, i)), digit('0', static_cast<char>(limit[i] - 1)),
                         pool_.repeat(digit(), later, later)});
  };
  const language most =
      pool_.any_of({pool_.repeat(digit(), 1, 2), below(0), below(1), below(2), word(limit)});
  const language minus = pool_.concat(word("-"), pool_.repeat(digit(), 1, 3));
  const language plus = pool_.concat(pool_.optional(word("+")), most);
  return pool_.optional(
      pool_.concat(pool_.any_of({word("e"), word("E")}), pool_.any_of({plus, minus})));
}

language number_languages::any() {
  // The largest double is 1.8e308.
  const auto with_exponent = [&](bool is_negative) {
    const auto mantissa = [&](language digits) {
      const language all = pool_.concat(digits, fraction(free_digits));
      return is_negative ? pool_.both(all, not_zero()) : all;
    };
    return pool_.any_of({pool_.concat(mantissa(digit()), exponent("307")),
                         pool_.concat(mantissa(whole(2, free_digits)), exponent("288"))});
  };
  // "-0e1" would be a negative zero, too: the mantissa decides.
  return pool_.any_of({with_exponent(false), pool_.concat(word("-"), with_exponent(true))});
}

language number_languages::integers(std::uint32_t max_whole) {
  return signed_pair(whole(1, max_whole), whole(1, max_whole));
}

language number_languages::plain(std::uint32_t max_whole, std::uint32_t max_fraction) {
  const language magnitude = pool_.concat(whole(1, max_whole), fraction(max_fraction));
  return signed_pair(magnitude, magnitude);
}

language number_languages::of_digits(std::uint32_t max_whole, std::uint32_t max_fraction,
                                     std::uint32_t max_digits) {
  const language any = pool_.set({{0, last_symbol}});
  const language small = pool_.concat(word("0"), fraction(std::min(max_fraction, max_digits)));
  const language large = pool_.both(
      pool_.concat({digit('1'), pool_.repeat(digit(), 0, max_whole - 1), fraction(max_fraction)}),
      pool_.repeat(any, 0, max_digits + 1));
  const language magnitude = pool_.any_of({small, large});
  return pool_.any_of({integers(max_whole), signed_pair(magnitude, magnitude)});
}

// Digit strings of the same length that are above (or below) `digits`, then anything; or equal to
// it, then `equal_tail`.
language number_languages::digits_compared(const std::string& digits, bool above,
                                           language equal_tail) {
  language out = equal_tail;
  const language free_tail = fraction(unbounded);
  for (std::size_t i = digits.size(); i > 0; --i) {
    const char d = digits[i - 1];
    language differs = no_word;
    const char lowest = i == 1 ? '1' : '0';
    if (above && d < '9') differs = digit(static_cast<char>(d + 1), '9');
    if (!above && d > lowest) differs = digit(lowest, static_cast<char>(d - 1));
    const auto later = static_cast<std::uint32_t>(digits.size() - i);
    out = pool_.any_of({pool_.concat({differs, pool_.repeat(digit(), later, later), free_tail}),
                        pool_.concat(word(digits.substr(i - 1, 1)), out)});
  }
  return out;
}

// What may follow an equal whole part, from the point on.
language number_languages::fraction_compared(const std::string& digits, bool above, bool strict) {
  const language more = pool_.repeat(digit(), 0, unbounded);
  const language zeros = pool_.repeat(digit('0', '0'), 0, unbounded);
  const language positive = pool_.concat({zeros, digit('1'), more});
  language out = above ? (strict ? positive : more) : (strict ? no_word : zeros);
  // A shorter fraction is smaller: `digits` ends with no zero.
  for (std::size_t i = digits.size(); i > 0; --i) {
    const char d = digits[i - 1];
    language differs = no_word;
    if (above && d < '9') differs = digit(static_cast<char>(d + 1), '9');
    if (!above && d > '0') differs = digit('0', static_cast<char>(d - 1));
    std::vector<language> parts{pool_.concat(differs, more),
                                pool_.concat(word(digits.substr(i - 1, 1)), out)};
    if (!above) parts.push_back(empty_word);
    out = pool_.any_of(std::move(parts));
  }
  // A point needs a digit after it; without one the fraction is zero.
  const language some_digit =
      pool_.concat(digit(), pool_.repeat(pool_.set({{0, last_symbol}}), 0, unbounded));
  language with_point = pool_.concat(word("."), pool_.both(out, some_digit));
  const bool none_fits = pool_.has_empty_word(out);
  return none_fits ? pool_.optional(with_point) : with_point;
}

language number_languages::magnitude_compared(const decimal& bound, bool above, bool strict) {
  std::string whole_part = bound.whole();
  const language tail = fraction_compared(bound.fraction(), above, strict);
  const auto size = static_cast<std::uint32_t>(whole_part.size());
  if (size == 0) {  // the bound is below one
    const language small = pool_.concat(word("0"), tail);
    const language large = pool_.concat(
        pool_.concat(digit('1'), pool_.repeat(digit(), 0, unbounded)), fraction(unbounded));
    return above ? pool_.any_of({small, large}) : small;
  }
  const language same = digits_compared(whole_part, above, tail);
  if (above) {
    return pool_.any_of({same, pool_.concat(whole(size + 1, unbounded), fraction(unbounded))});
  }
  std::vector<language> parts{same, pool_.concat(word("0"), fraction(unbounded))};
  if (size > 1) parts.push_back(pool_.concat(whole(1, size - 1), fraction(unbounded)));
  return pool_.any_of(std::move(parts));
}

language number_languages::at_least(const number_bound& bound) {
  const language magnitude = pool_.concat(whole(1, unbounded), fraction(unbounded));
  if (bound.value.negative) {
    return signed_pair(magnitude, magnitude_compared(bound.value, false, bound.exclusive));
  }
  return magnitude_compared(bound.value, true, bound.exclusive);
}

language number_languages::at_most(const number_bound& bound) {
  const language magnitude = pool_.concat(whole(1, unbounded), fraction(unbounded));
  if (bound.value.negative) {
    return signed_pair(no_word, magnitude_compared(bound.value, true, bound.exclusive));
  }
  return signed_pair(magnitude_compared(bound.value, false, bound.exclusive), magnitude);
}

language number_languages::equal(const decimal& value) {
  const language zeros = pool_.repeat(digit('0', '0'), 1, unbounded);
  std::string spelled = value.negative ? "-" : "";
  spelled += value.whole().empty() ? "0" : value.whole();
  if (value.is_integer()) {
    return pool_.concat(word(spelled), pool_.optional(pool_.concat(word("."), zeros)));
  }
  return pool_.concat(word(spelled + "." + value.fraction()), pool_.optional(zeros));
}

language number_languages::multiples(std::uint32_t numerator, std::uint32_t decimals,
                                     std::uint32_t zeros) {
  language magnitudes = pool_.multiples(numerator, decimals);
  if (zeros > 0) {
    const language head = pool_.both(magnitudes, whole(1, unbounded));
    const language whole_part =
        pool_.any_of({word("0"), pool_.concat(head, pool_.repeat(digit('0', '0'), zeros, zeros))});
    const language no_fraction =
        pool_.optional(pool_.concat(word("."), pool_.repeat(digit('0', '0'), 1, unbounded)));
    magnitudes = pool_.concat(whole_part, no_fraction);
  }
  return signed_pair(magnitudes, magnitudes);
}

}  // namespace troupe::grammar
