// What a grammar is made from, for those who have it made and keep it: they know nothing of text.
#pragma once
#include "core/bound_grammar.hpp"

#include <memory>
#include <string>

namespace troupe {

// Immutable, shared among threads.
class grammar_source {
 public:
  virtual ~grammar_source() = default;
  // The source itself in one form, no digest of it: equal keys give equal grammars, and two sources
  // are never taken for one.
  virtual const std::string& key() const = 0;
  // May take a while, and bounds its own work; `timed_out` says that the work was too much.
  virtual grammar_outcome<bound_grammar> compile() const = 0;
};

using grammar_source_ptr = std::shared_ptr<const grammar_source>;

}  // namespace troupe
