#include "core/page_pool.hpp"

#include "core/sequence.hpp"

#include <cassert>
#include <utility>

namespace troupe {

page_pool::page_pool(std::uint32_t num_pages, bool enable_prefix_caching)
    : num_holders_(num_pages), enable_prefix_caching_(enable_prefix_caching) {
  free_.reserve(num_pages);
  for (auto i = num_pages; i > 0; --i) free_.push_back(i - 1);
}

std::vector<prefix_cache::hit> page_pool::find_prefix(const admission_ask& ask) const {
  std::vector<prefix_cache::hit> hits;
  if (!enable_prefix_caching_) return hits;
  auto parent = prefix_cache::root(ask.cache_salt, ask.rope);
  auto tokens = std::span{ask.tokens};
  auto num_shareable = tokens.empty() ? 0 : (tokens.size() - 1) / page_size_tokens;
  while (hits.size() < num_shareable) {
    auto hit =
        cache_.find(parent, tokens.subspan(hits.size() * page_size_tokens, page_size_tokens));
    if (!hit) break;
    parent = hit->serial;
    hits.push_back(*hit);
  }
  return hits;
}

page_idx page_pool::take_free() {
  if (free_.empty()) {
    auto evicted = cache_.evict();
    assert(evicted);
    if (record_) record_->journal.forget(record_->keys[*evicted]);
    return *evicted;
  }
  auto page = free_.back();
  free_.pop_back();
  return page;
}

std::optional<page_pool::admission> page_pool::admit(admission_ask ask) {
  assert(!holdings_.contains(ask.owner));
  auto hits = find_prefix(ask);
  std::uint32_t num_hits_idle = 0;
  for (auto& hit : hits) num_hits_idle += num_holders_[hit.page] == 0 ? 1 : 0;
  auto num_pages = pages_for(ask.tokens.size());
  auto num_fresh = num_pages - static_cast<std::uint32_t>(hits.size());
  if (std::uint64_t{num_fresh} + num_hits_idle + ask.num_reserved > num_available())
    return std::nullopt;

  admission granted;
  for (auto& hit : hits) {
    if (num_holders_[hit.page]++ == 0) cache_.set_held(hit.page);
    granted.pages.push_back(hit.page);
  }
  while (granted.pages.size() < num_pages) {
    auto page = take_free();
    num_holders_[page] = 1;
    granted.pages.push_back(page);
  }
  auto num_hits = static_cast<std::uint32_t>(hits.size());
  granted.num_cached_tokens = num_hits * page_size_tokens;
  if (enable_prefix_caching_) num_queried_tokens_ += ask.tokens.size();
  num_hit_tokens_ += granted.num_cached_tokens;
  auto parent = hits.empty() ? prefix_cache::root(ask.cache_salt, ask.rope) : hits.back().serial;
  prefix_key parent_key;
  if (record_)
    parent_key = hits.empty() ? root_key(ask.cache_salt, ask.rope, record_->secret)
                              : record_->keys[hits.back().page];
  holdings_.emplace(ask.owner,
                    holding{granted.pages, std::move(ask.tokens), parent, num_hits, parent_key});
  return granted;
}

std::optional<std::vector<page_idx>> page_pool::extend(request_id owner, std::uint32_t count) {
  auto it = holdings_.find(owner);
  if (it == holdings_.end() || count > num_available()) return std::nullopt;
  std::vector<page_idx> grant;
  for (std::uint32_t i = 0; i < count; ++i) {
    grant.push_back(take_free());
    num_holders_[grant.back()] = 1;
  }
  it->second.pages.insert(it->second.pages.end(), grant.begin(), grant.end());
  return grant;
}

void page_pool::computed(request_id owner, std::span<const token_id> more,
                         std::uint32_t num_computed) {
  auto it = holdings_.find(owner);
  if (it == holdings_.end() || !enable_prefix_caching_) return;
  auto& h = it->second;
  h.tokens.insert(h.tokens.end(), more.begin(), more.end());
  assert(num_computed <= h.tokens.size());
  for (; (h.num_known_pages + 1) * page_size_tokens <= num_computed; ++h.num_known_pages) {
    auto tokens = std::span{h.tokens}.subspan(std::size_t{h.num_known_pages} * page_size_tokens,
                                              page_size_tokens);
    h.parent = cache_.insert(h.parent, tokens, h.pages[h.num_known_pages]);
    if (record_) record_known_page(h, tokens, h.pages[h.num_known_pages]);
  }
}

// The prefix may be known already, by another owner's page.
void page_pool::record_known_page(holding& h, std::span<const token_id> tokens, page_idx page) {
  h.parent_key = next_key(h.parent_key, tokens);
  if (!cache_.knows(page)) return;
  record_->keys[page] = h.parent_key;
  record_->journal.remember(h.parent_key);
}

void page_pool::record_prefix_changes(std::uint64_t secret) {
  assert(holdings_.empty() && cache_.num_idle() == 0);
  record_ = prefix_record{.secret = secret, .keys = std::vector<prefix_key>(num_pages())};
}

prefix_changes page_pool::take_prefix_changes() {
  return record_ ? record_->journal.take() : prefix_changes{};
}

void page_pool::retell_prefixes() {
  if (record_) record_->journal.begin_anew();
}

std::uint32_t page_pool::release(request_id owner) {
  auto it = holdings_.find(owner);
  if (it == holdings_.end()) return 0;
  auto pages = std::move(it->second.pages);
  holdings_.erase(it);
  // Deepest first: a prefix is then forgotten after everything that continues it.
  for (auto page = pages.rbegin(); page != pages.rend(); ++page) {
    assert(num_holders_[*page] > 0);
    if (--num_holders_[*page] > 0) continue;
    if (cache_.knows(*page))
      cache_.set_idle(*page);
    else
      free_.push_back(*page);
  }
  return static_cast<std::uint32_t>(pages.size());
}

}  // namespace troupe
