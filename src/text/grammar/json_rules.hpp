// The grammar of any JSON value, as rules.
#pragma once
#include "text/grammar/rules.hpp"

namespace troupe::grammar {

// null, true, false and every number and string.
language any_scalar(language_pool& pool);
// A string's two quotes around the words of `content`.
language quoted(language_pool& pool, language content);
// Adds any value to `rules`, and any array and object on the way.
value_index add_any_value(language_pool& pool, rule_set& rules);
object_rule any_object(language_pool& pool, value_index values);

}  // namespace troupe::grammar
