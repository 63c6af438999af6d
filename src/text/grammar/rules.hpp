// A grammar as the parser runs it: values that are a scalar or one of some containers. Everything
// of it was checked when it was compiled; nothing here refuses.
#pragma once
#include "text/grammar/byte_automaton.hpp"
#include "text/grammar/language.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <variant>
#include <vector>

namespace troupe::grammar {

using value_index = std::uint32_t;
using container_index = std::uint32_t;
inline constexpr value_index no_value = unbounded;

// What a terminal of the grammar ended with: the labels of language_pool::tag.
namespace label {
inline constexpr std::uint32_t value = 0;         // a scalar, or the whole text
inline constexpr std::uint32_t opened = 1;        // [ or { and the blanks after it
inline constexpr std::uint32_t next = 2;          // , and the blanks after it
inline constexpr std::uint32_t closed = 3;        // ] or }, or the end of a frame
inline constexpr std::uint32_t first_choice = 4;  // a key, or the head of a frame
}  // namespace label

struct value_rule {
  language scalars = no_word;  // ends with label::value
  spelling how = spelling::json;
  std::vector<container_index> containers;
};

struct array_rule {
  std::vector<value_index> prefix;
  value_index rest = no_value;
  std::uint32_t min = 0, max = unbounded;

  value_index item(std::uint32_t i) const { return i < prefix.size() ? prefix[i] : rest; }
};

struct object_rule {
  struct member {
    std::u32string name;
    value_index value = no_value;
    bool required = false;
  };
  // Names that are no member's, each in one group only.
  struct group {
    language names = no_word;
    value_index value = no_value;
  };
  std::vector<member> members;  // in the order in which they are written
  std::vector<group> others;
  std::vector<std::uint32_t> num_required;  // [members + 1], from each one on
  std::uint32_t min = 0, max = unbounded;
  std::uint64_t num_names = 0;  // names of `others`; `unbounded` when that many or more
};

// Fixed texts around a value: one of several heads, each with its value, then the tail.
struct framed_rule {
  language heads = no_word;  // end with label::first_choice + i
  std::vector<value_index> values;
  language tail = no_word;  // ends with label::closed
};

// A rule of a grammar that mentions other such rules. Its languages are of text up to the next rule
// that is entered, or up to its end. None of its texts is empty: whoever mentions a rule that
// allows the empty text may go on without it.
struct production_rule {
  struct call {
    container_index full = 0;  // the rule that is entered
    container_index lean = 0;  // the same without what nests deeper than it must
    language next = no_word;   // what follows it
  };
  // Left recursion: a text that is complete may be the beginning of a longer one.
  struct ending {
    std::vector<language> onward;
  };
  struct table {                  // shared by rules that begin with each other
    std::vector<call> calls;      // label::first_choice + i
    std::vector<ending> endings;  // label::first_choice + number of calls + i
  };
  std::shared_ptr<const table> ways;
  language start = no_word;
  language done = no_word;         // nothing but the tag after which the rule is complete
  std::uint32_t goal = 0;          // the ending that completes it
  std::uint32_t min = 1, max = 1;  // so often, one after the other
  // One of its own, above those of all rules whose texts may begin with one of it.
  std::uint64_t order = 0;
};

struct container_rule {
  std::variant<array_rule, object_rule, framed_rule, production_rule> what;
  std::uint32_t height = 1;  // the least nesting of any instance, itself included
};

enum class whitespace : std::uint8_t { bounded, compact, any };

struct rule_set {
  std::vector<value_rule> values;
  std::vector<container_rule> containers;
  value_index root = no_value;
  std::uint32_t max_depth = 256;
  whitespace blanks = whitespace::bounded;
};

}  // namespace troupe::grammar
