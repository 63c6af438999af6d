// Structured requests as text: the key by which grammars are known, and the way back from it, for
// another process that must compile the same.
#pragma once
#include <memory>
#include <string>

#include "core/grammar_source.hpp"
#include "text/structured.hpp"

namespace troupe {

// Of a text that `canonical_key` made; `field` stays empty.
outcome<structured_request> read_canonical_key(const std::string& text);

// The same as what can be compiled.
outcome<grammar_source_ptr> read_structured_source(const std::string& text,
                                                   std::shared_ptr<const grammar_compiler> how);

}  // namespace troupe
