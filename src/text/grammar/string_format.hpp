// The formats of JSON Schema that are enforced, each as the language of its texts.
#pragma once
#include "core/outcome.hpp"
#include "text/grammar/language.hpp"

#include <optional>
#include <string_view>

namespace troupe::grammar {

// Nothing when `name` is no format of the standard (an annotation); a failure when it is one that
// cannot be enforced.
outcome<std::optional<language>> format_language(language_pool& pool, std::string_view name);

}  // namespace troupe::grammar
