// Which full pages hold the keys and values of which token prefix. A page's key is its parent's
// serial number and its own 16 tokens, compared in full: two prefixes are never confused.
#pragma once
#include "core/batch.hpp"
#include "core/id.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>

namespace troupe {

class prefix_cache {
 public:
  using page_tokens = std::array<token_id, page_size_tokens>;
  struct hit {
    page_idx page = 0;
    std::uint64_t serial = 0;  // names this prefix; parent of the next page
  };

  // The parent of a first page. Sequences share prefixes only within one root.
  static std::uint64_t root(std::uint64_t salt, rope_kind rope);

  std::optional<hit> find(std::uint64_t parent, std::span<const token_id> tokens) const;
  // Remembers `page` unless the prefix is known already; answers the serial of the prefix.
  std::uint64_t insert(std::uint64_t parent, std::span<const token_id> tokens, page_idx page);
  bool knows(page_idx page) const { return by_page_.contains(page); }

  // A known page is idle while nobody holds it; the longest idle one is forgotten first.
  void set_idle(page_idx page);
  void set_held(page_idx page);
  std::uint32_t num_idle() const { return static_cast<std::uint32_t>(idle_.size()); }
  // Forgets the longest idle page and answers it.
  std::optional<page_idx> evict();

 private:
  struct key {
    std::uint64_t parent = 0;
    page_tokens tokens{};
    bool operator==(const key&) const = default;
  };
  struct key_hash {
    std::size_t operator()(const key& k) const noexcept;
  };
  struct entry {
    key k;
    std::optional<std::list<page_idx>::iterator> idle_at;
  };
  static key make_key(std::uint64_t parent, std::span<const token_id> tokens);

  std::unordered_map<key, hit, key_hash> by_key_;
  std::unordered_map<page_idx, entry> by_page_;
  std::list<page_idx> idle_;  // longest idle first
  std::uint64_t next_serial_ = 1;
};

}  // namespace troupe
