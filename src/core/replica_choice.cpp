#include "core/replica_choice.hpp"

#include "core/bits.hpp"

#include <algorithm>
#include <limits>

namespace troupe {

double route_score(const replica_view& replica, std::uint32_t num_prompt_tokens) {
  auto num_missing = num_prompt_tokens - std::min(num_prompt_tokens, replica.num_cached_tokens);
  return static_cast<double>(replica.prefill_tokens) +
         decode_token_weight * static_cast<double>(replica.decode_tokens) +
         static_cast<double>(num_missing);
}

std::optional<std::size_t> choose_replica(std::span<const replica_view> views,
                                          std::uint32_t num_prompt_tokens, std::uint64_t tie_seed) {
  auto least = std::numeric_limits<double>::infinity();
  std::uint64_t num_tied = 0;
  for (const auto& view : views) {
    if (!view.has_room) continue;
    auto score = route_score(view, num_prompt_tokens);
    if (score < least) num_tied = 0;
    if (score <= least) ++num_tied;
    least = std::min(least, score);
  }
  if (num_tied == 0) return std::nullopt;
  // Two rounds, since callers count their seeds up and % looks at the lower bits alone.
  auto drawn = mix_bits(mix_bits(tie_seed + golden_bits)) % num_tied;
  for (std::size_t i = 0; i < views.size(); ++i)
    if (views[i].has_room && route_score(views[i], num_prompt_tokens) == least && drawn-- == 0)
      return i;
  return std::nullopt;
}

}  // namespace troupe
