#include "core/replica_choice.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace troupe;

namespace {

std::vector<std::uint32_t> draw(std::span<const replica_view> views, std::uint64_t num_seeds,
                                std::uint64_t seed_step) {
  std::vector<std::uint32_t> times(views.size());
  for (std::uint64_t i = 0; i < num_seeds; ++i)
    ++times[choose_replica(views, 100, i * seed_step).value()];
  return times;
}

}  // namespace

TEST_CASE("the score: outstanding prompt tokens, a quarter of those to generate, what is missing") {
  CHECK(route_score({}, 100) == 100);
  CHECK(route_score({.prefill_tokens = 1000, .decode_tokens = 40, .num_cached_tokens = 64}, 100) ==
        1046);
  CHECK(route_score({.num_cached_tokens = 160}, 100) == 0);  // more than there are counts as all
}

TEST_CASE("a cached prefix draws, until the work there outweighs it") {
  std::vector<replica_view> views(3);
  views[1].num_cached_tokens = 1504;
  CHECK(choose_replica(views, 1600, 1) == 1);
  views[1].prefill_tokens = 1500;
  CHECK(choose_replica(views, 1600, 1) == 1);
  views[1].decode_tokens = 20;
  CHECK(choose_replica(views, 1600, 1) != 1);
}

TEST_CASE("without room anywhere there is no choice") {
  CHECK_FALSE(choose_replica({}, 10, 1));
  std::vector<replica_view> views(2);
  views[0].has_room = views[1].has_room = false;
  CHECK_FALSE(choose_replica(views, 10, 1));
  views[1] = {.prefill_tokens = ~0ULL, .decode_tokens = ~0ULL, .has_room = true};
  CHECK(choose_replica(views, ~0U, 1) == 1);
}

TEST_CASE("random fleets: the least score with room, nobody else") {
  std::mt19937_64 random(3);
  auto below = [&](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 20'000; ++round) {
    std::vector<replica_view> views(below(9));
    // Small numbers, so that there are ties.
    for (auto& v : views)
      v = {.prefill_tokens = below(4) * 16,
           .decode_tokens = below(4) * 64,
           .num_cached_tokens = static_cast<std::uint32_t>(below(4) * 16),
           .has_room = below(3) > 0};
    auto num_prompt = static_cast<std::uint32_t>(below(64));
    auto chosen = choose_replica(views, num_prompt, random());
    auto num_room = std::ranges::count_if(views, &replica_view::has_room);
    REQUIRE(chosen.has_value() == (num_room > 0));
    if (!chosen) continue;
    REQUIRE(views[*chosen].has_room);
    for (const auto& v : views)
      if (v.has_room)
        REQUIRE(route_score(views[*chosen], num_prompt) <= route_score(v, num_prompt));
  }
}

TEST_CASE("equal replicas are drawn equally often, whatever the seeds look like") {
  std::vector<replica_view> views(7);
  views[2].has_room = false;
  views[5].prefill_tokens = 1;
  for (std::uint64_t step : {1ULL, 2ULL, 5ULL, 1ULL << 32U, 0x9e3779b97f4a7c15ULL}) {
    auto times = draw(views, 50'000, step);
    CAPTURE(step);
    CHECK(times[2] == 0);
    CHECK(times[5] == 0);
    // 10,000 expected, 89 is one sigma.
    for (std::size_t i : {0U, 1U, 3U, 4U, 6U}) {
      CHECK(times[i] > 9'550);
      CHECK(times[i] < 10'450);
    }
  }
  CHECK(choose_replica(views, 9, 1234) == choose_replica(views, 9, 1234));
}
