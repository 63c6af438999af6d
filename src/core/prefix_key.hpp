// Names a prefix of whole pages by a 128-bit keyed hash, so that a router can know what replicas
// have cached without holding their tokens. Only routing depends on it: two prefixes with one key
// cost a bad route, never a wrong answer (core/prefix_cache.hpp compares tokens).
#pragma once
#include "core/batch.hpp"
#include "core/id.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace troupe {

// What hashes of pages are made of, the same on every machine.
constexpr std::uint64_t two_tokens(token_id first, token_id second) {
  return std::uint64_t{static_cast<std::uint32_t>(first)} |
         std::uint64_t{static_cast<std::uint32_t>(second)} << 32U;
}
static_assert(page_size_tokens % 2 == 0);

// Never zero: {0, 0} names no prefix.
struct prefix_key {
  std::uint64_t high = 0, low = 0;
  bool operator==(const prefix_key&) const = default;
};

// The parent of a first page. Router and replicas agree on `secret`; without it nobody can choose
// prompts that collide. The same on every machine.
prefix_key root_key(std::uint64_t cache_salt, rope_kind rope, std::uint64_t secret);
// Of the prefix that ends with `page_tokens`: [page_size_tokens], after `parent`.
prefix_key next_key(const prefix_key& parent, std::span<const token_id> page_tokens);
// One for each full page: [tokens.size() / page_size_tokens].
std::vector<prefix_key> prefix_keys(std::span<const token_id> tokens, std::uint64_t cache_salt,
                                    rope_kind rope, std::uint64_t secret);

}  // namespace troupe

template <>
struct std::hash<troupe::prefix_key> {
  std::size_t operator()(const troupe::prefix_key& key) const noexcept {
    return static_cast<std::size_t>(key.low);  // every bit of it is mixed already
  }
};
