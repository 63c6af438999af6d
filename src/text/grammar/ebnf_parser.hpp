// Reads grammars as llama.cpp (GBNF) and XGrammar (EBNF) write them: text in, rules out. What each
// form means stands in docs/grammars.md.
#pragma once
#include "core/bound_grammar.hpp"
#include "text/grammar/language.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::grammar {

using ebnf_index = std::uint32_t;  // of a rule

struct ebnf_expression {
  enum class kind : std::uint8_t { word, set, rule, sequence, choice, repeat };
  kind what = kind::word;
  ebnf_index rule = 0;
  std::uint32_t min = 1, max = 1;  // of a repeat
  std::uint32_t depth = 0;         // of the parts within each other
  std::u32string word;
  symbol_set set;
  std::vector<ebnf_expression> parts;  // one in a repeat
};

struct ebnf_rule {
  std::string name;
  ebnf_expression body;
};

struct ebnf_grammar {
  std::vector<ebnf_rule> rules;  // each of them defined
  ebnf_index root = 0;
};

namespace ebnf_limits {
inline constexpr std::size_t source_bytes = 256U << 10U;
inline constexpr std::size_t rules = 10'000;
inline constexpr std::size_t literal_characters = 8'192;  // concatenation recurses that deep
inline constexpr std::uint32_t repeats = 65'536;
inline constexpr int groups = 256;           // within each other
inline constexpr std::uint32_t depth = 512;  // groups and repeats
}  // namespace ebnf_limits

grammar_outcome<ebnf_grammar> parse_ebnf(std::string_view source);

}  // namespace troupe::grammar
