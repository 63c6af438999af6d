// Where a request goes: to the replica that has the least work before it, what it must compute of
// the prompt itself included. A session needs no affinity of its own: it is its prefix.
#pragma once
#include "core/id.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace troupe {

struct replica_view {
  replica_id id;
  std::uint64_t prefill_tokens = 0;     // outstanding: accepted there, not yet computed
  std::uint64_t decode_tokens = 0;      // expected: of what it accepted, not yet generated
  std::uint32_t num_cached_tokens = 0;  // of this prompt
  bool has_room = true;                 // false: draining, starting, ill, or full
};

// A token to generate counts as a part of one to compute: it shares its step with many others. Its
// exact value matters little; 0.05 to 1 change the slowest of 100 first tokens by less than 8 %.
inline constexpr double decode_token_weight = 0.25;

// In tokens to compute; less is better.
double route_score(const replica_view& replica, std::uint32_t num_prompt_tokens);

// Index into `views` of the lowest score among those with room; none has room: nothing. Equal
// replicas are drawn by `tie_seed`, each as often as the others over many seeds.
std::optional<std::size_t> choose_replica(std::span<const replica_view> views,
                                          std::uint32_t num_prompt_tokens, std::uint64_t tie_seed);

}  // namespace troupe
