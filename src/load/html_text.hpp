// Text and numbers for HTML pages.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::load {

// As text or as a quoted attribute of HTML and SVG: no byte of `text` can become markup. Bytes that
// are no UTF-8 and characters that no document may have become U+FFFD.
std::string escape_html(std::string_view text);

// What values of a chart or a cell are.
enum class unit : std::uint8_t { count, seconds, bytes, share };

// "1.23 s", "45 ms", "12.4 k", "1.5 GiB", "98.7 %"; three digits that count. Negative or NaN stands
// for what is not known: "–".
std::string unit_text(unit what, double value);
// With a sign, for differences; 0 has none.
std::string signed_text(unit what, double value);
// Minutes and seconds: "0:15", "12:30", "1:02:30".
std::string clock_text(double seconds);

}  // namespace troupe::load
