// What a schema allows, type by type. Scalars are languages, so that unions, intersections and
// differences of them are exact; arrays and objects are alternatives of one shape each, whose parts
// are again schemas, looked at when they are needed.
#pragma once
#include "text/grammar/language.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::grammar {

using schema_node = std::uint32_t;  // into a schema_graph
inline constexpr schema_node any_node = 0, nothing_node = 1;

struct array_shape {
  std::vector<schema_node> prefix;
  schema_node rest = any_node;
  std::uint32_t min = 0, max = unbounded;
  std::uint32_t evaluated = 0;  // the first items that keywords of the schema have looked at

  schema_node item(std::size_t i) const { return i < prefix.size() ? prefix[i] : rest; }
  bool operator==(const array_shape&) const = default;
};

struct object_shape {
  struct member {
    std::string name;
    schema_node value = any_node;
    bool required = false;
    bool declared = false;  // by `properties`: it has its place in the order
    bool operator==(const member&) const = default;
  };
  // Every name that is no member's is in exactly one group.
  struct group {
    language names = no_word;
    schema_node value = any_node;
    bool operator==(const group&) const = default;
  };
  std::vector<member> members;
  std::vector<group> others;
  std::uint32_t min = 0, max = unbounded;
  language evaluated = no_word;  // the names that keywords of the schema have looked at

  bool operator==(const object_shape&) const = default;
};

struct value_set {
  bool null = false;
  bool no = false, yes = false;
  language numbers = no_word;         // with every spelling but exponents of each number in it
  language number_style = all_words;  // the spellings that are offered
  language strings = no_word;         // contents
  bool literal_strings = false;       // a list of texts, spelled in one way each
  std::vector<array_shape> arrays;
  std::vector<object_shape> objects;
  // Holds more values than it should, as something was not enforced; never fewer.
  bool inexact = false;
};

}  // namespace troupe::grammar
