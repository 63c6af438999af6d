// What OpenAI's APIs have in common: fields that change nothing here, fields that are not offered.
#pragma once
#include <initializer_list>
#include <string_view>

#include "net/body_fields.hpp"

namespace troupe {

// Checks what clients may send but what changes no answer of this server: who asks and why (user,
// safety_identifier, metadata), hints (prompt_cache_key, service_tier auto or default,
// reasoning_effort of a model that does not reason).
void read_harmless(body_fields& fields);
// metadata alone: up to 16 pairs of strings; null if absent.
const json_value* read_metadata(body_fields& fields);

struct unoffered {
  std::string_view name;
  std::string_view why;  // "is not offered: " and this
};
// Refuses those that are there and not null.
void refuse_unoffered(body_fields& fields, std::initializer_list<unoffered> list);
// The same for a field that may be there with this one value, which means nothing.
void accept_only_flag(body_fields& fields, std::string_view name, bool value, std::string_view why);
void accept_only_word(body_fields& fields, std::string_view name, std::string_view value,
                      std::string_view why);

// Where the name and the schema stand: chat completions put them into an object of their own
// ("function", "json_schema"), responses do not.
enum class nesting : bool { flat, nested };

}  // namespace troupe
