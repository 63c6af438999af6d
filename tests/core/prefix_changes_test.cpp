#include "core/page_pool.hpp"
#include "core/sequence.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

using namespace troupe;

namespace {

constexpr std::uint64_t secret = 77;

using token_list = std::vector<token_id>;
using key_set = std::unordered_set<prefix_key>;

token_list counting(std::uint32_t n, token_id from = 0) {
  token_list tokens(n);
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

std::optional<page_pool::admission> admit(page_pool& pool, std::uint64_t owner, token_list tokens) {
  return pool.admit({.owner = {owner}, .tokens = std::move(tokens)});
}

void check_keys(const std::vector<prefix_key>& keys, const token_list& tokens, std::size_t from,
                std::size_t to) {
  auto all = prefix_keys(tokens, 0, rope_kind::plain, secret);
  CHECK(key_set(keys.begin(), keys.end()) ==
        key_set(all.begin() + std::ptrdiff_t(from), all.begin() + std::ptrdiff_t(to)));
  CHECK(keys.size() == to - from);
}

// What a router makes of the changes.
struct listener {
  key_set known;

  void hear(const prefix_changes& changes) {
    for (const auto& key : changes.added) REQUIRE(known.insert(key).second);
    for (const auto& key : changes.removed) REQUIRE(known.erase(key) == 1);
  }
};

// Which page holds which prefix, told only what every caller of a pool sees: a page that is granted
// anew no longer holds what it held.
class pool_model {
 public:
  struct owner {
    token_list tokens;
    std::uint64_t salt = 0;
    rope_kind rope = rope_kind::plain;
    std::vector<page_idx> pages;
    std::uint64_t parent = 0;
    std::uint32_t num_known = 0;
    std::uint32_t num_computed = 0;
  };

  void admitted(owner& o, const page_pool::admission& granted) {
    o.pages = granted.pages;
    o.num_computed = granted.num_cached_tokens;
    o.num_known = granted.num_cached_tokens / page_size_tokens;
    for (auto i = o.num_known; i < o.pages.size(); ++i) forget(o.pages[i]);
    o.parent = o.num_known > 0 ? by_page_.at(o.pages[o.num_known - 1]).serial
                               : ~(o.salt * 2 + (o.rope == rope_kind::scaled ? 1 : 0));
  }
  void granted(owner& o, const std::vector<page_idx>& pages) {
    for (auto page : pages) forget(page);
    o.pages.insert(o.pages.end(), pages.begin(), pages.end());
  }
  void computed(owner& o) {
    for (; (o.num_known + 1) * page_size_tokens <= o.num_computed; ++o.num_known) {
      auto at = o.tokens.begin() + std::ptrdiff_t(o.num_known) * page_size_tokens;
      place where{o.parent, token_list(at, at + page_size_tokens)};
      auto [it, is_new] = serials_.try_emplace(where, next_serial_);
      if (is_new) {
        auto keys = prefix_keys(o.tokens, o.salt, o.rope, secret);
        by_page_[o.pages[o.num_known]] = {where, next_serial_++, keys[o.num_known]};
      }
      o.parent = it->second;
    }
  }
  key_set known() const {
    key_set keys;
    for (const auto& [page, held] : by_page_) keys.insert(held.key);
    return keys;
  }
  std::size_t num_known_pages() const { return by_page_.size(); }

 private:
  using place = std::pair<std::uint64_t, token_list>;
  struct held_prefix {
    place where;
    std::uint64_t serial = 0;
    prefix_key key;
  };
  void forget(page_idx page) {
    auto it = by_page_.find(page);
    if (it == by_page_.end()) return;
    serials_.erase(it->second.where);
    by_page_.erase(it);
  }

  std::map<place, std::uint64_t> serials_;
  std::map<page_idx, held_prefix> by_page_;
  std::uint64_t next_serial_ = 1;
};

// Random traffic on a pool, and what should be known after each step of it.
struct traffic {
  explicit traffic(std::uint64_t seed) : random(seed) { pool.record_prefix_changes(secret); }

  static constexpr std::uint32_t num_pages = 24;
  std::mt19937_64 random;
  page_pool pool{num_pages, true};
  pool_model model;
  std::map<std::uint64_t, pool_model::owner> owners;
  std::uint64_t next_owner = 1;

  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); }

  void come() {
    pool_model::owner o;
    o.salt = below(2);
    o.rope = below(4) == 0 ? rope_kind::scaled : rope_kind::plain;
    o.tokens = counting(1 + below(100), token_id(below(2)) * 1000);
    if (below(3) == 0) o.tokens.back() = 7;  // parts from the others on its last page
    auto granted = pool.admit(
        {.owner = {next_owner}, .tokens = o.tokens, .cache_salt = o.salt, .rope = o.rope});
    if (!granted) return;
    model.admitted(o, *granted);
    owners.emplace(next_owner++, std::move(o));
  }
  void compute(std::uint64_t id, pool_model::owner& o) {
    token_list more;
    auto room = std::uint32_t(o.pages.size()) * page_size_tokens - std::uint32_t(o.tokens.size());
    if (below(2)) more = counting(below(room + 1), 500);
    o.tokens.insert(o.tokens.end(), more.begin(), more.end());
    o.num_computed += below(std::uint32_t(o.tokens.size()) - o.num_computed + 1);
    pool.computed({id}, more, o.num_computed);
    model.computed(o);
  }
  void step() {
    if (owners.empty() || below(4) == 0) return come();
    auto it = std::next(owners.begin(), below(std::uint32_t(owners.size())));
    auto what = below(8);
    if (what == 0) {
      if (auto pages = pool.extend({it->first}, 1 + below(2))) model.granted(it->second, *pages);
    } else if (what < 6) {
      compute(it->first, it->second);
    } else {
      CHECK(pool.release({it->first}) > 0);
      owners.erase(it);
    }
  }
};

}  // namespace

TEST_CASE("a full page is added when it is computed, removed when it is forgotten") {
  page_pool pool(4, true);
  pool.record_prefix_changes(secret);
  const auto tokens = counting(40);
  REQUIRE(admit(pool, 1, tokens));
  CHECK(pool.take_prefix_changes().added.empty());
  pool.computed({1}, {}, 31);
  check_keys(pool.take_prefix_changes().added, tokens, 0, 1);
  pool.computed({1}, {}, 40);
  check_keys(pool.take_prefix_changes().added, tokens, 1, 2);
  pool.release({1});
  CHECK(pool.take_prefix_changes().removed.empty());  // idle, but known
  REQUIRE(admit(pool, 2, counting(48, 1000)));        // takes the deepest of them
  check_keys(pool.take_prefix_changes().removed, tokens, 1, 2);
}

TEST_CASE("a prefix that came and went unseen is never mentioned") {
  page_pool pool(2, true);
  pool.record_prefix_changes(secret);
  for (token_id i = 0; i < 1000; ++i) {
    REQUIRE(admit(pool, 1, counting(32, i * 100)));
    pool.computed({1}, {}, 32);
    pool.release({1});
  }
  auto changes = pool.take_prefix_changes();
  check_keys(changes.added, counting(32, 99'900), 0, 2);
  CHECK(changes.removed.empty());
}

TEST_CASE("a prefix that goes and comes back unseen is not mentioned either") {
  page_pool pool(2, true);
  pool.record_prefix_changes(secret);
  for (token_id from : {0, 1000, 0}) {
    REQUIRE(admit(pool, 1, counting(32, from)));
    pool.computed({1}, {}, 32);
    pool.release({1});
    if (from == 0) pool.take_prefix_changes();
  }
  auto changes = pool.take_prefix_changes();
  CHECK(changes.added.empty());
  CHECK(changes.removed.empty());
}

TEST_CASE("a new listener is told all that is known, and nothing of what is gone") {
  page_pool pool(4, true);
  pool.record_prefix_changes(secret);
  const auto tokens = counting(40);
  REQUIRE(admit(pool, 1, tokens));
  pool.computed({1}, {}, 40);
  pool.take_prefix_changes();
  pool.release({1});
  REQUIRE(admit(pool, 2, counting(48, 1000)));  // forgets the second page, untold
  pool.retell_prefixes();
  auto changes = pool.take_prefix_changes();
  check_keys(changes.added, tokens, 0, 1);
  CHECK(changes.removed.empty());
  CHECK(pool.take_prefix_changes().added.empty());
}

TEST_CASE("without a record, or without prefix caching, there are no changes") {
  page_pool silent(4, true), uncached(4, false);
  uncached.record_prefix_changes(secret);
  for (auto* pool : {&silent, &uncached}) {
    REQUIRE(admit(*pool, 1, counting(40)));
    pool->computed({1}, {}, 40);
    pool->retell_prefixes();
    CHECK(pool->take_prefix_changes().added.empty());
  }
}

TEST_CASE("random traffic: the changes give exactly the known prefixes, and never pile up") {
  std::size_t num_twins = 0, num_removed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    traffic world(seed);
    listener router;
    for (int round = 0; round < 4'000; ++round) {
      world.step();
      num_twins += world.model.num_known_pages() - world.model.known().size();
      if (world.below(1000) == 0) {
        world.pool.retell_prefixes();
        router.known.clear();
      }
      // Sometimes at once, sometimes not for a long time.
      if (world.below(round % 1000 < 500 ? 3 : 200) != 0) continue;
      auto changes = world.pool.take_prefix_changes();
      REQUIRE(changes.added.size() <= traffic::num_pages);
      REQUIRE(changes.removed.size() <= traffic::num_pages);
      num_removed += changes.removed.size();
      router.hear(changes);
      REQUIRE(router.known == world.model.known());
    }
  }
  // The traffic was not too tame to show anything.
  CHECK(num_removed > 1000);
  CHECK(num_twins > 0);
}
