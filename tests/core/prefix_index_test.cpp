#include "core/prefix_index.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

using namespace troupe;

namespace {

constexpr replica_id first{1}, second{2};

// Many share their home in a table, and all stand near its end.
prefix_key crowded(std::uint64_t i) { return {i + 1, ~0ULL - i % 3}; }

std::vector<prefix_key> chain(std::uint32_t num_pages, std::uint64_t salt) {
  const std::vector<token_id> tokens(std::size_t{num_pages} * page_size_tokens, 5);
  return prefix_keys(tokens, salt, rope_kind::plain, 1);
}

}  // namespace

TEST_CASE("what counts are the pages up to the first that is missing") {
  prefix_index index;
  const auto keys = chain(8, 0);
  CHECK(index.num_cached_pages(first, keys) == 0);
  index.add(first, std::span{keys}.first(3));
  index.add(first, std::span{keys}.subspan(4, 4));
  index.add(second, keys);
  CHECK(index.num_cached_pages(first, keys) == 3);
  CHECK(index.num_cached_pages(second, keys) == 8);
  CHECK(index.num_cached_pages(first, chain(8, 1)) == 0);
  CHECK(index.num_cached_pages(first, {}) == 0);
  index.add(first, std::span{keys}.subspan(3, 1));
  CHECK(index.num_cached_pages(first, keys) == 8);
  CHECK(index.num_entries() == 16);
}

TEST_CASE("twice added is once there, and what is not there is not removed") {
  prefix_index index;
  const auto keys = chain(4, 0);
  index.add(first, keys);
  index.add(first, keys);
  CHECK(index.num_entries() == 4);
  index.remove(second, keys);
  index.remove(first, std::span{keys}.first(1));
  index.remove(first, std::span{keys}.first(1));
  CHECK(index.num_entries() == 3);
  CHECK(index.num_cached_pages(first, keys) == 0);
  index.forget(first);
  index.forget(first);
  CHECK(index.num_entries() == 0);
  index.add(first, std::vector<prefix_key>(3));  // {0, 0} names nothing
  CHECK(index.num_entries() == 0);
  CHECK(index.num_cached_pages(first, std::vector<prefix_key>(3)) == 0);
}

TEST_CASE("random news of crowded keys: the table holds what a set would") {
  std::mt19937_64 random(4);
  prefix_key_set table;
  std::set<std::uint64_t> model;
  for (int round = 0; round < 60'000; ++round) {
    // Grows for a while, then shrinks.
    auto i = random() % 300;
    if (random() % 8 < (round / 5'000 % 2 == 0 ? 6U : 2U)) {
      table.insert(crowded(i));
      model.insert(i);
    } else {
      table.erase(crowded(i));
      model.erase(i);
    }
    REQUIRE(table.size() == model.size());
    if (round % 64 != 0) continue;
    for (std::uint64_t k = 0; k < 300; ++k)
      REQUIRE(table.contains(crowded(k)) == model.contains(k));
  }
}

TEST_CASE("eight replicas of 100,000 pages take memory for them, and give it back") {
  prefix_key_set table;
  const auto keys = chain(100'000, 9);
  for (const auto& key : keys) table.insert(key);
  CHECK(table.size() == 100'000);
  CHECK(table.capacity() * sizeof(prefix_key) <= 4U << 20U);
  for (std::size_t i = 0; i < 99'990; ++i) table.erase(keys[i]);
  CHECK(table.capacity() < 128);
  for (std::size_t i = 99'990; i < 100'000; ++i) CHECK(table.contains(keys[i]));

  prefix_index index;
  for (std::uint64_t r = 0; r < 8; ++r) index.add({r}, keys);
  CHECK(index.num_entries() == 800'000);
  for (std::uint64_t r = 0; r < 8; ++r) CHECK(index.num_cached_pages({r}, keys) == 100'000);
  for (std::uint64_t r = 0; r < 8; ++r) index.forget({r});
  CHECK(index.num_entries() == 0);
}
