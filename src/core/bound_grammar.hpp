// What compiling a grammar gives: a constraint and what of its source is not enforced, or why the
// source is refused.
#pragma once
#include "core/outcome.hpp"
#include "core/token_constraint.hpp"

#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct grammar_note {
  std::string pointer;  // JSON pointer into the schema; empty: all of it
  // Of the schema; otherwise which source it is: "regex", "choice", "grammar", "tools". May be
  // empty where no keyword alone is the matter.
  std::string keyword;
  std::string reason;
};

struct grammar_refusal {
  error_code code = error_code::invalid_argument;
  grammar_note why;

  // One sentence: "at /properties/a/pattern: pattern: ...".
  std::string message() const {
    std::string text = why.pointer.empty() ? "" : "at " + why.pointer + ": ";
    if (!why.keyword.empty()) text += why.keyword + ": ";
    return text + why.reason;
  }
};

struct bound_grammar {
  token_constraint_ptr constraint;
  std::vector<grammar_note> warnings;  // what of the source is not enforced
};

template <class T>
using grammar_outcome = outcome<T, grammar_refusal>;

inline grammar_refusal refuse_grammar(error_code code, std::string pointer, std::string keyword,
                                      std::string reason) {
  return {code, {std::move(pointer), std::move(keyword), std::move(reason)}};
}

}  // namespace troupe
