// Which KV pages are free, held, or kept for their prefix. Knows nothing of bytes, devices or
// threads. Every grant is all or nothing: a partial one would let two prompts starve each other.
#pragma once
#include "core/batch.hpp"
#include "core/id.hpp"
#include "core/prefix_cache.hpp"
#include "core/prefix_journal.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace troupe {

class page_pool {
 public:
  page_pool(std::uint32_t num_pages, bool enable_prefix_caching);

  struct admission {
    std::vector<page_idx> pages;  // in order of position
    std::uint32_t num_cached_tokens = 0;
  };
  struct admission_ask {
    request_id owner;
    std::vector<token_id> tokens;  // whose keys and values are needed
    std::uint64_t cache_salt = 0;
    rope_kind rope = rope_kind::plain;
    std::uint32_t num_reserved = 0;  // pages that must still be available afterwards
  };
  // Pages for all tokens of a new owner; the longest known prefix is shared, but never the page of
  // the last token, whose logits somebody has to compute.
  std::optional<admission> admit(admission_ask ask);
  // `count` more pages for an owner.
  std::optional<std::vector<page_idx>> extend(request_id owner, std::uint32_t count);
  // The owner's sequence grew by `more` tokens, and the first `num_computed` of all its tokens are
  // in its pages: full pages become known prefixes.
  void computed(request_id owner, std::span<const token_id> more, std::uint32_t num_computed);
  // Gives everything back; answers the number of pages; 0 for an unknown owner, so that cancel may
  // race finish.
  std::uint32_t release(request_id owner);

  // From now on the pool tells which prefixes it knows, by keys under `secret`. Before the first
  // admission.
  void record_prefix_changes(std::uint64_t secret);
  // Since the last time: full pages that became known prefixes, and those that were forgotten.
  // Neither list is ever longer than num_pages, and both are empty without a record.
  prefix_changes take_prefix_changes();
  // The next changes go to somebody who knows nothing: a router that is new, or forgot this pool.
  void retell_prefixes();

  std::size_t num_owners() const { return holdings_.size(); }
  std::uint32_t num_pages() const { return static_cast<std::uint32_t>(num_holders_.size()); }
  std::uint32_t num_held() const { return num_pages() - num_available(); }
  std::uint32_t num_cached() const { return cache_.num_idle(); }
  // Free now or by forgetting a prefix that nobody holds.
  std::uint32_t num_available() const {
    return static_cast<std::uint32_t>(free_.size()) + cache_.num_idle();
  }
  std::uint64_t num_queried_tokens() const { return num_queried_tokens_; }
  std::uint64_t num_hit_tokens() const { return num_hit_tokens_; }

 private:
  struct holding {
    std::vector<page_idx> pages;
    std::vector<token_id> tokens;
    std::uint64_t parent = 0;  // serial of the last known page's prefix
    std::uint32_t num_known_pages = 0;
    prefix_key parent_key;  // of the same prefix, while there is a record
  };
  struct prefix_record {
    std::uint64_t secret = 0;
    std::vector<prefix_key> keys;  // [num_pages], of the pages that are known prefixes
    prefix_journal journal;
  };
  std::vector<prefix_cache::hit> find_prefix(const admission_ask& ask) const;
  page_idx take_free();
  void record_known_page(holding& h, std::span<const token_id> tokens, page_idx page);

  std::vector<std::uint32_t> num_holders_;  // [num_pages]
  std::vector<page_idx> free_;
  prefix_cache cache_;
  bool enable_prefix_caching_;
  std::optional<prefix_record> record_;
  std::unordered_map<request_id, holding> holdings_;
  std::uint64_t num_queried_tokens_ = 0;
  std::uint64_t num_hit_tokens_ = 0;
};

}  // namespace troupe
