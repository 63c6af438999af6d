#include "core/fleet_plan.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace troupe;

namespace {

using state = replica_state;

std::vector<std::uint64_t> names(const std::vector<replica_id>& ids) {
  std::vector<std::uint64_t> out;
  for (auto id : ids) out.push_back(id.value);
  return out;
}

using list = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a fleet begins with as many as are wanted, and those that stand by") {
  auto plan = plan_fleet({.num_wanted = 2, .num_standby = 1});
  CHECK(plan.num_to_start == 3);
  CHECK(plan.open.empty());
}

TEST_CASE("those that are ready serve up to what is wanted, the others stand by") {
  fleet_view now{.replicas = {{{1}, state::standby}, {{2}, state::standby}, {{3}, state::standby}},
                 .num_wanted = 2,
                 .num_standby = 1};
  auto plan = plan_fleet(now);
  CHECK(names(plan.open) == list{1, 2});
  CHECK(plan.close.empty());
  CHECK(plan.num_to_start == 0);
}

TEST_CASE("one that stands by takes the place of one that died, and is replaced itself") {
  fleet_view now{
      .replicas = {{{2}, state::ready}, {{3}, state::standby}}, .num_wanted = 2, .num_standby = 1};
  auto plan = plan_fleet(now);
  CHECK(names(plan.open) == list{3});
  CHECK(plan.num_to_start == 1);
}

TEST_CASE("the one with the least to finish is let go") {
  fleet_view now{.replicas = {{{1}, state::ready, true, false, 5},
                              {{2}, state::ready, true, false, 2},
                              {{3}, state::ready, true, false, 9}},
                 .num_wanted = 2};
  CHECK(names(plan_fleet(now).close) == list{2});
}

TEST_CASE("a replica that joined by itself always serves and is never let go") {
  fleet_view now{.replicas = {{{1}, state::standby, false}, {{2}, state::ready, true}},
                 .num_wanted = 1};
  auto plan = plan_fleet(now);
  CHECK(names(plan.open) == list{1});
  CHECK(plan.close.empty());
  now.replicas[0].state = state::ready;
  now.num_wanted = 0;
  CHECK(names(plan_fleet(now).close) == list{2});
}

TEST_CASE("a renewal: one more starts, serves, and only then the old one is let go") {
  fleet_view now{.replicas = {{{1}, state::ready, true, true}, {{2}, state::ready, true, true}},
                 .num_wanted = 2};
  auto plan = plan_fleet(now);
  CHECK(plan.num_to_start == 1);
  CHECK(plan.close.empty());
  now.replicas.push_back({{3}, state::standby});
  CHECK(names(plan_fleet(now).open) == list{3});
  now.replicas[2].state = state::ready;
  plan = plan_fleet(now);
  CHECK(names(plan.close) == list{1});
  CHECK(plan.num_to_start == 0);
}

TEST_CASE("whatever happens, the plan leads to what is wanted") {
  std::mt19937 random(3);
  auto below = [&](unsigned n) { return unsigned(random() % n); };
  for (int round = 0; round < 500; ++round) {
    fleet_view now{.num_wanted = 1 + below(5), .num_standby = below(3)};
    std::uint64_t next = 1;
    for (auto n = below(8); n > 0; --n)
      now.replicas.push_back({.name = {next++},
                              .state = state(below(4)),
                              .is_own = below(5) > 0,
                              .num_requests = below(4)});
    for (auto& r : now.replicas)
      r.is_to_renew = r.is_own && r.state == state::ready && below(3) == 0;
    for (int step = 0; step < 60; ++step) {
      auto plan = plan_fleet(now);
      for (auto& r : now.replicas) {
        bool opens = std::ranges::find(plan.open, r.name) != plan.open.end();
        bool closes = std::ranges::find(plan.close, r.name) != plan.close.end();
        REQUIRE_FALSE((opens && closes));
        if (opens) REQUIRE(r.state == state::standby);
        if (closes) REQUIRE(r.is_own);
        if (opens) r.state = state::ready;
        if (closes) r.state = state::draining;
        if (r.state == state::starting) r.state = state::standby;
      }
      std::erase_if(now.replicas, [](auto& r) { return r.state == state::draining; });
      for (; plan.num_to_start > 0; --plan.num_to_start) now.replicas.push_back({.name = {next++}});
    }
    unsigned num_serving = 0, num_standing_by = 0;
    for (auto& r : now.replicas) {
      CHECK_FALSE((r.is_own && r.is_to_renew));
      if (!r.is_own) {
        CHECK(r.state == state::ready);
        continue;
      }
      num_serving += r.state == state::ready;
      num_standing_by += r.state == state::standby;
    }
    CHECK(num_serving == now.num_wanted);
    CHECK(num_standing_by == now.num_standby);
  }
}
