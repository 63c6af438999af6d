// Bodies of answers, read; what is no JSON fails the test.
#pragma once
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "text/json.hpp"

namespace troupe::test {

inline json_value parse(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE_MESSAGE(value, std::string(text));
  return *std::move(value);
}

}  // namespace troupe::test
