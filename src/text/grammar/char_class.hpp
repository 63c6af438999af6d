// Named sets of characters, as regular expressions name them.
#pragma once
#include "text/grammar/language.hpp"

#include <optional>
#include <string_view>

namespace troupe::grammar {

// \d \D \w \W \s \S and the control escapes \t \n \v \f \r, by the character after the backslash.
std::optional<symbol_set> named_class(char32_t letter);
// What a dot does not match.
symbol_set line_ends();
// The letters, numbers and general categories of Unicode: \p{L}, \p{Lu}, \p{Letter}, ...
std::optional<symbol_set> property_class(std::string_view name);
int hex_digit(char c);  // -1 when it is none

}  // namespace troupe::grammar
