// Regular expressions as ECMA-262 writes them (the `u` flag set, the others not), turned into
// languages. What is no regular language (back references, look-around) or depends on word borders
// is refused.
#pragma once
#include "core/outcome.hpp"
#include "text/grammar/language.hpp"

#include <string_view>

namespace troupe::grammar {

// The texts in which `pattern` matches somewhere.
outcome<language> search_language(language_pool& pool, std::string_view pattern);
// The texts that `pattern` matches from end to end.
outcome<language> match_language(language_pool& pool, std::string_view pattern);

}  // namespace troupe::grammar
