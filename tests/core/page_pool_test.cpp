#include "core/page_pool.hpp"

#include "core/sequence.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <random>

using namespace troupe;

namespace {

std::vector<token_id> counting(std::uint32_t n, token_id from = 0) {
  std::vector<token_id> tokens(n);
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

std::optional<page_pool::admission> admit(page_pool& pool, std::uint64_t owner,
                                          std::vector<token_id> tokens, std::uint32_t reserved = 0,
                                          std::uint64_t salt = 0) {
  return pool.admit({.owner = {owner},
                     .tokens = std::move(tokens),
                     .cache_salt = salt,
                     .num_reserved = reserved});
}

}  // namespace

TEST_CASE("a grant is all or nothing") {
  page_pool pool(4, true);
  CHECK(admit(pool, 1, counting(48))->pages.size() == 3);
  CHECK_FALSE(admit(pool, 2, counting(32, 100)));
  CHECK(pool.num_available() == 1);
  CHECK_FALSE(pool.extend({1}, 2));
  CHECK(pool.extend({1}, 1)->size() == 1);
  CHECK(pool.release({1}) == 4);
  CHECK(pool.release({1}) == 0);
  CHECK(pool.num_available() == 4);
}

TEST_CASE("an admission leaves the reserved pages alone") {
  page_pool pool(4, true);
  CHECK_FALSE(admit(pool, 1, counting(48), 2));
  CHECK(admit(pool, 1, counting(48), 1));
}

TEST_CASE("a computed prefix is shared, but never the page of the last token") {
  page_pool pool(8, true);
  auto first = admit(pool, 1, counting(48));
  CHECK(first->num_cached_tokens == 0);
  CHECK(admit(pool, 2, counting(48))->num_cached_tokens == 0);  // not computed yet
  pool.release({2});
  pool.computed({1}, {}, 48);
  auto same = admit(pool, 2, counting(48));
  CHECK(same->num_cached_tokens == 32);
  CHECK(same->pages[0] == first->pages[0]);
  CHECK(same->pages[1] == first->pages[1]);
  CHECK(same->pages[2] != first->pages[2]);
  CHECK(pool.num_held() == 4);
  CHECK(pool.num_hit_tokens() == 32);
}

TEST_CASE("another salt or another position embedding shares nothing") {
  page_pool pool(16, true);
  REQUIRE(admit(pool, 1, counting(32), 0, 7));
  pool.computed({1}, {}, 32);
  CHECK(admit(pool, 2, counting(32), 0, 8)->num_cached_tokens == 0);
  CHECK(
      pool.admit({.owner = {3}, .tokens = counting(32), .cache_salt = 7, .rope = rope_kind::scaled})
          ->num_cached_tokens == 0);
  CHECK(admit(pool, 4, counting(32), 0, 7)->num_cached_tokens == 16);
}

TEST_CASE("generated tokens extend the prefix") {
  page_pool pool(8, true);
  REQUIRE(admit(pool, 1, counting(20)));
  pool.computed({1}, counting(13, 20), 32);
  pool.release({1});
  CHECK(pool.num_cached() == 2);
  CHECK(admit(pool, 2, counting(40))->num_cached_tokens == 32);
}

TEST_CASE("an idle prefix is forgotten deepest page first, oldest first") {
  page_pool pool(4, true);
  REQUIRE(admit(pool, 1, counting(33)));
  pool.computed({1}, {}, 33);
  pool.release({1});
  CHECK(pool.num_available() == 4);
  CHECK(pool.num_cached() == 2);
  REQUIRE(admit(pool, 2, counting(48, 1000)));  // takes two free pages and one cached
  CHECK(pool.num_cached() == 1);
  pool.release({2});
  CHECK(admit(pool, 3, counting(33))->num_cached_tokens == 16);  // the first page survived
}

TEST_CASE("without prefix caching nothing is kept") {
  page_pool pool(4, false);
  REQUIRE(admit(pool, 1, counting(33)));
  pool.computed({1}, {}, 33);
  pool.release({1});
  CHECK(pool.num_cached() == 0);
  CHECK(admit(pool, 2, counting(33))->num_cached_tokens == 0);
}

TEST_CASE("random traffic: no page is lost, none has two contents") {
  std::mt19937 random(1);
  auto below = [&](std::uint32_t n) { return std::uint32_t(random() % n); };
  page_pool pool(64, true);
  std::vector<std::uint64_t> owners;
  for (std::uint64_t round = 1; round < 20'000; ++round) {
    if (owners.size() < 12 && below(3)) {
      // Few distinct prompts, so that prefixes are met again.
      auto tokens = counting(1 + below(120), token_id(below(4)) * 1000);
      auto num_tokens = std::uint32_t(tokens.size());
      if (auto granted = admit(pool, round, std::move(tokens), below(3))) {
        REQUIRE(granted->pages.size() == pages_for(num_tokens));
        pool.computed({round}, {}, below(2) ? num_tokens : num_tokens / 2);
        owners.push_back(round);
      }
    } else if (!owners.empty()) {
      auto victim = below(std::uint32_t(owners.size()));
      if (below(4) == 0) {
        (void)pool.extend({owners[victim]}, 1);
      } else {
        CHECK(pool.release({owners[victim]}) > 0);
        owners.erase(owners.begin() + victim);
      }
    }
    REQUIRE(pool.num_held() + pool.num_available() == 64);
  }
  for (auto owner : owners) pool.release({owner});
  CHECK(pool.num_held() == 0);
  CHECK(pool.num_available() == 64);
}
