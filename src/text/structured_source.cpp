#include "text/structured_source.hpp"

#include <utility>

namespace troupe {

structured_source::structured_source(structured_request ask,
                                     std::shared_ptr<const grammar_compiler> how)
    : ask_(std::move(ask)), how_(std::move(how)), key_(canonical_key(ask_)) {}

grammar_outcome<bound_grammar> structured_source::compile() const {
  return compile_structure(ask_, *how_);
}

}  // namespace troupe
