#include "load/schema_check.hpp"

#include <doctest/doctest.h>

#include "text/json.hpp"

using namespace troupe;
using namespace troupe::load;

TEST_CASE("answers against a schema") {
  auto schema = parse_json(R"({"type": "object", "properties": {"a": {"type": "integer"},
    "b": {"enum": ["x", "y"]}}, "required": ["a", "b"], "additionalProperties": false})");
  REQUIRE(schema);
  auto check = make_schema_check(*schema);
  REQUIRE(check);
  CHECK((*check)(R"({"a": 1, "b": "x"})") == "");
  CHECK((*check)("{\n  \"a\":1,\"b\" : \"y\"\n}") == "");
  CHECK((*check)(R"({"a": "1", "b": "x"})") != "");
  CHECK((*check)(R"({"a": 1, "b": "z"})") != "");
  CHECK((*check)(R"({"a": 1})") != "");
  CHECK((*check)(R"({"a": 1, "b": "x"} and more)") != "");
  CHECK((*check)(R"({"a": 1, "b": )") != "");
  CHECK((*check)("") != "");
}

TEST_CASE("a schema that cannot be enforced is refused") {
  auto schema = parse_json(R"re({"type": "string", "pattern": "(?=x)"})re");
  REQUIRE(schema);
  auto check = make_schema_check(*schema);
  REQUIRE(!check);
  CHECK(check.error().message.find("pattern") != std::string::npos);
}
