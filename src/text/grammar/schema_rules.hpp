// From a schema to the rules that the parser runs, or the reason why not.
#pragma once
#include "core/bound_grammar.hpp"
#include "text/grammar/compile_budget.hpp"
#include "text/grammar/grammar.hpp"
#include "text/grammar/rules.hpp"
#include "text/json.hpp"

namespace troupe::grammar {

// Adds the rules of `schema` to `rules` and gives the value of its root; adds to `warnings`.
grammar_outcome<value_index> add_schema(language_pool& pool, rule_set& rules,
                                        const json_value& schema, const schema_options& options,
                                        compile_budget& budget,
                                        std::vector<grammar_note>& warnings);
// The least nesting of each container's instances, from those of its parts.
void find_heights(rule_set& rules);

}  // namespace troupe::grammar
