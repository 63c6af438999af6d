// A grammar's rules sorted into those that are regular, which become one language wherever they are
// mentioned, and productions, which the parser enters and leaves.
#pragma once
#include "text/grammar/ebnf_parser.hpp"
#include "text/grammar/language.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::grammar {

using production_index = std::uint32_t;

struct plan_expression {
  enum class kind : std::uint8_t { terminal, call, sequence, choice, plus };
  kind what = kind::terminal;
  bool nullable = false;
  std::uint32_t size = 1;    // about how many languages it takes
  language words = no_word;  // of a terminal
  production_index called = 0;
  std::vector<plan_expression> parts;  // one in a plus
};

struct production {
  std::string name;  // of the rule that it is, or is a part of
  plan_expression body;
  std::uint32_t min = 1, max = 1;  // so many bodies, each of them not empty
  bool nullable = false;           // also the empty text
};

struct ebnf_plan {
  std::vector<production> productions;
  std::optional<production_index> root;  // none: `regular` is the whole grammar
  language regular = no_word;
  bool is_too_long = false;  // a sequence has too many parts that may be empty
};

ebnf_plan plan_ebnf(language_pool& pool, const ebnf_grammar& source);

// The strongly connected parts of a graph, given as the nodes that follow each; a part comes after
// all those that it leads to.
std::vector<std::vector<std::uint32_t>> connected_parts(
    const std::vector<std::vector<std::uint32_t>>& following);

}  // namespace troupe::grammar
