// Turns sources into grammars while their requests wait, and keeps them: compiles off the step path
// and off the front's threads, each source once, nothing for longer than its limit.
#pragma once
#include "actors/grammar_maker.hpp"
#include "actors/heartbeat.hpp"
#include "actors/meter.hpp"
#include "core/grammar_source.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace troupe {

struct compile_grammar {
  grammar_source_ptr source;
};
struct grammar_compiled {
  std::shared_ptr<const grammar_outcome<bound_grammar>> made;  // shared by all who asked
};

struct ask_cached_bytes {};
struct cached_bytes {
  std::uint64_t num_bytes = 0;
};

using grammar_store = caf::typed_actor<
    // The grammar or its refusal, from the cache or as soon as it is made; who asks for what is
    // under way shares it. Errors: queue_full, at once or after `max_wait`; the compiler failed.
    caf::replies_to<compile_grammar>::with<grammar_compiled>,
    // At once: what the grammars and refusals in the cache take.
    caf::replies_to<ask_cached_bytes>::with<cached_bytes>,
    // At once, with the number and the age of the sources that wait for a maker.
    caf::replies_to<beat>::with<heartbeat>,
    // Gives up what takes too long.
    caf::reacts_to<tick>>;

struct grammar_store_options {
  std::uint64_t max_cache_bytes = 256U << 20;
  std::size_t max_cache_entries = 4096;
  std::size_t max_waiting = 256;  // sources, not the requests that share one
  std::size_t num_makers = 2;
  // Makers that are past the limit with their source do no harm but hold a thread: this many, then
  // nobody takes their place.
  std::size_t max_lost_makers = 6;
  std::chrono::milliseconds compile_limit{1'000};
  std::chrono::milliseconds max_wait{10'000};  // for a maker
};

grammar_store spawn_grammar_store(caf::actor_system& system, const grammar_store_options& options,
                                  meter observer,
                                  grammar_maker_factory hire = &spawn_grammar_maker);

}  // namespace troupe
