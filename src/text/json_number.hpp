// The numbers of JSON: text to value and back.
#pragma once
#include "text/json.hpp"

#include <string>
#include <string_view>

namespace troupe {

enum class number_defect { none, malformed, overflow };

// Reads exactly one JSON number; one beyond the largest double is an overflow.
number_defect parse_json_number(std::string_view token, json_value& out);

// The nearest double of a JSON number that is no overflow; zero for what is too small.
double rounded_number(std::string_view number);

// The fewest digits that read back as the same double, laid out as Python's repr does it: always
// with a point or an exponent, an exponent below 1e-4 and from 1e16. Not for NaN and infinity.
void append_double(std::string& out, double value);

}  // namespace troupe
