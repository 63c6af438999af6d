// What the words of JSON Schema are, draft by draft, and how large a schema may be.
#pragma once
#include "core/bound_grammar.hpp"
#include "text/grammar/schema_index.hpp"

#include <optional>
#include <string_view>

namespace troupe::grammar {

enum class keyword_kind : std::uint8_t {
  unknown,
  annotation,  // says nothing about which values are valid
  assertion,   // says something, if only together with others
};
keyword_kind kind_of(std::string_view keyword, schema_draft draft);

// Nothing when `schema` is within the limits of size, which are named otherwise.
std::optional<grammar_refusal> find_excess(const json_value& schema);

}  // namespace troupe::grammar
