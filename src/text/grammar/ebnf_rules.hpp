// An EBNF grammar as rules of the parser.
#pragma once
#include "core/bound_grammar.hpp"
#include "text/grammar/rules.hpp"

#include <string_view>

namespace troupe::grammar {

grammar_outcome<rule_set> ebnf_rules(language_pool& pool, std::string_view source);

}  // namespace troupe::grammar
