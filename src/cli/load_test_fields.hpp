// The body of POST /load_tests: fields that are flags of `troupe bench` by another spelling.
#pragma once
#include <string>
#include <vector>

#include "core/outcome.hpp"
#include "text/json.hpp"

namespace troupe {

// Flags, each one word with its value: "--rate=5". Only those that ask this server for answers: no
// file, no other address. What `troupe bench` would refuse is refused, and what asks for too much;
// the failure names the field.
outcome<std::vector<std::string>> read_load_test(const json_value& body);

}  // namespace troupe
