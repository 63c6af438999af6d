// Answers against a JSON Schema, by the grammar that Troupe itself makes of it: the members of an
// object must come in the order in which the schema declares them; blanks are free.
#pragma once
#include "load/verifier.hpp"
#include "text/json.hpp"

namespace troupe::load {

// A failure: the schema cannot be enforced, with the place and the reason. Safe among threads.
outcome<verifier::schema_check> make_schema_check(const json_value& schema);

}  // namespace troupe::load
