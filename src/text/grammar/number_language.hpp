// Sets of JSON numbers as languages of their spellings: intervals of any size, multiples, integers.
#pragma once
#include "text/grammar/decimal.hpp"
#include "text/grammar/language.hpp"

#include <string_view>

namespace troupe::grammar {

struct number_bound {
  decimal value;
  bool exclusive = false;
};

class number_languages {
 public:
  explicit number_languages(language_pool& pool) : pool_(pool) {}

  // Numbers without a bound end all the same: at most 20 digits before and after the point and
  // three of the exponent, so that the value is a finite double. Negative zero is not offered.
  language any();
  // No exponents from here on: a bound in digits cannot see them.
  language integers(std::uint32_t max_whole = 20);
  language plain(std::uint32_t max_whole = 20, std::uint32_t max_fraction = 20);
  // Integers as above; with a point at most `max_digits` in all. Readers take such numbers for
  // doubles, which hold 15 digits: with more, a bound that is kept here is broken there.
  language of_digits(std::uint32_t max_whole, std::uint32_t max_fraction, std::uint32_t max_digits);
  language at_least(const number_bound& bound);
  language at_most(const number_bound& bound);
  language equal(const decimal& value);
  // The largest numerator of `multiples`, which are those of `numerator` * 10^`zeros` /
  // 10^`decimals`; one of the two powers is 1.
  static constexpr std::uint32_t max_numerator = 5'000;
  language multiples(std::uint32_t numerator, std::uint32_t decimals, std::uint32_t zeros = 0);

 private:
  language digit(char low = '0', char high = '9') {
    return pool_.set({{outside(low), outside(high)}});
  }
  language word(std::string_view bytes) { return pool_.bytes_outside(bytes); }
  language whole(std::uint32_t min_digits, std::uint32_t max_digits);
  language fraction(std::uint32_t max_digits);
  language exponent(std::string_view limit);
  language not_zero();
  language signed_pair(language positive, language negative);
  language digits_compared(const std::string& digits, bool above, language equal_tail);
  language fraction_compared(const std::string& digits, bool above, bool strict);
  language magnitude_compared(const decimal& bound, bool above, bool strict);

  language_pool& pool_;
};

}  // namespace troupe::grammar
