#include "cpu/thread_pool.hpp"

#include "cpu/kv_pages.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

using namespace troupe;

TEST_CASE("every index is done exactly once, loop after loop") {
  for (std::uint32_t num_threads : {1U, 2U, 3U, 7U}) {
    thread_pool pool({num_threads, 0});
    REQUIRE(pool.num_threads() == num_threads);
    for (std::uint32_t count : {0U, 1U, 2U, 5U, 100U, 1000U}) {
      for (int round = 0; round < 20; ++round) {
        std::vector<int> done(count);  // unshared indices need no lock
        pool.parallel_for(count, [&](std::uint32_t i, std::uint32_t) { ++done[i]; });
        CHECK(done == std::vector<int>(count, 1));
      }
    }
  }
}

TEST_CASE("a thread index is never in use twice at once") {
  thread_pool pool({4, 5});
  std::vector<std::atomic<int>> busy(4);
  std::atomic<int> clashes{0};
  pool.parallel_for(2000, [&](std::uint32_t, std::uint32_t thread_idx) {
    if (busy.at(thread_idx).fetch_add(1) != 0) ++clashes;
    busy[thread_idx].fetch_sub(1);
  });
  CHECK(clashes == 0);
}

TEST_CASE("a pool that slept wakes up, and one that never worked ends") {
  thread_pool idle({3, 0});
  thread_pool pool({2, 0});
  std::atomic<int> sum{0};
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    pool.parallel_for(10, [&](std::uint32_t i, std::uint32_t) { sum += static_cast<int>(i); });
  }
  CHECK(sum == 225);
}

TEST_CASE("threads write neighbouring tokens of a page at once") {
  constexpr std::uint32_t dim = 256;
  thread_pool pool({2, 0});
  kv_pages pages({1, 1, 1, dim, kv_type::bfloat16});
  std::atomic<std::size_t> num_wrong{0};
  std::atomic<int> num_started{0};
  // Each looks after its own half of every word that both write to.
  pool.parallel_for(2, [&](std::uint32_t token, std::uint32_t) {
    ++num_started;
    while (num_started < 2) std::this_thread::yield();
    std::vector<float> row(dim);
    const auto* halves = reinterpret_cast<const std::byte*>(pages.values(0, 0));
    for (int round = 1; round <= 20'000; ++round) {
      row.assign(dim, static_cast<float>(round % 100));
      pages.write(0, 0, 0, token, row.data(), row.data());
      for (std::uint32_t i = 0; i < dim; ++i) {
        bfloat16 found;
        std::memcpy(&found, halves + (2 * i + token) * sizeof(found), sizeof(found));
        if (found != to_bfloat16(row[i])) ++num_wrong;
      }
    }
  });
  CHECK(num_wrong == 0);
}
