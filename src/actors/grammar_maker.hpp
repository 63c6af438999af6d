// Compiles grammars, one after the other, on a thread of its own and behind all that computes
// answers. The grammar_store says what, and does without one that does not come back.
#pragma once
#include "actors/cast.hpp"
#include "core/grammar_source.hpp"

#include <caf/all.hpp>

#include <functional>

namespace troupe {

struct make_grammar {
  grammar_source_ptr source;
};
struct grammar_made {
  grammar_outcome<bound_grammar> made = bound_grammar{};
  double seconds = 0;
};

using grammar_maker = caf::typed_actor<
    // A grammar, or why there is none; an error when the compiler itself fails.
    caf::replies_to<make_grammar>::with<grammar_made>>;

using grammar_maker_factory = std::function<grammar_maker(caf::local_actor* parent)>;
grammar_maker spawn_grammar_maker(caf::local_actor* parent);

}  // namespace troupe
