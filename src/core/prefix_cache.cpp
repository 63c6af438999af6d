#include "core/prefix_cache.hpp"

#include "core/bits.hpp"
#include "core/prefix_key.hpp"

#include <algorithm>
#include <cassert>

namespace troupe {
namespace {

// Serials count up from 1, roots have the top bit: the two never meet.
constexpr std::uint64_t root_bit = 1ULL << 63;

}  // namespace

std::uint64_t prefix_cache::root(std::uint64_t salt, rope_kind rope) {
  return root_bit | ((salt << 1) | (rope == rope_kind::scaled ? 1U : 0U));
}

std::size_t prefix_cache::key_hash::operator()(const key& k) const noexcept {
  auto h = mix_bits(k.parent + golden_bits);
  for (std::size_t i = 0; i < page_size_tokens; i += 2)
    h = mix_bits(h ^ two_tokens(k.tokens[i], k.tokens[i + 1]));
  return h;
}

prefix_cache::key prefix_cache::make_key(std::uint64_t parent, std::span<const token_id> tokens) {
  assert(tokens.size() == page_size_tokens);
  key k{.parent = parent};
  std::ranges::copy(tokens, k.tokens.begin());
  return k;
}

std::optional<prefix_cache::hit> prefix_cache::find(std::uint64_t parent,
                                                    std::span<const token_id> tokens) const {
  auto it = by_key_.find(make_key(parent, tokens));
  if (it == by_key_.end()) return std::nullopt;
  return it->second;
}

std::uint64_t prefix_cache::insert(std::uint64_t parent, std::span<const token_id> tokens,
                                   page_idx page) {
  auto [it, is_new] = by_key_.try_emplace(make_key(parent, tokens), hit{page, next_serial_});
  if (!is_new) return it->second.serial;
  assert(!by_page_.contains(page));
  by_page_.emplace(page, entry{it->first, std::nullopt});
  return next_serial_++;
}

void prefix_cache::set_idle(page_idx page) {
  auto& e = by_page_.at(page);
  assert(!e.idle_at);
  e.idle_at = idle_.insert(idle_.end(), page);
}

void prefix_cache::set_held(page_idx page) {
  auto& e = by_page_.at(page);
  if (!e.idle_at) return;
  idle_.erase(*e.idle_at);
  e.idle_at.reset();
}

std::optional<page_idx> prefix_cache::evict() {
  if (idle_.empty()) return std::nullopt;
  auto page = idle_.front();
  idle_.pop_front();
  auto it = by_page_.find(page);
  by_key_.erase(it->second.k);
  by_page_.erase(it);
  return page;
}

}  // namespace troupe
