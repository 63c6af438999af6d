#include "core/restart_backoff.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

constexpr restart_backoff::time_point start{1000h};

// A part that dies `lifetime` after each start, for as long as `until`: the delays before the
// starts.
std::vector<milliseconds> crash_loop(restart_backoff& part, milliseconds lifetime,
                                     milliseconds until, bool gets_ready = false) {
  std::vector<milliseconds> delays;
  for (auto now = start; now < start + until; now += delays.back()) {
    if (gets_ready) part.became_ready(now);
    now += lifetime;
    delays.push_back(part.died(now).delay);
  }
  return delays;
}

}  // namespace

TEST_CASE("a single death costs a tenth of a second") {
  restart_backoff part;
  part.became_ready(start);
  auto plan = part.died(start + 1h);
  CHECK(plan.delay == 100ms);
  CHECK_FALSE(plan.is_degraded);
  CHECK(plan.num_deaths_in_row == 1);
}

TEST_CASE("three restarts within ten seconds are borne, the fourth death degrades") {
  restart_backoff part;
  for (auto [at, delay] : {std::pair{0ms, 100ms}, {1000ms, 200ms}, {2000ms, 400ms}}) {
    auto plan = part.died(start + at);
    CHECK(plan.delay == delay);
    CHECK_FALSE(plan.is_degraded);
  }
  SUBCASE("within the window") {
    auto plan = part.died(start + 10s);
    CHECK(plan.is_degraded);
    CHECK(plan.delay == 10s);
    CHECK(part.is_degraded());
  }
  SUBCASE("a moment later the first one is forgotten") {
    auto plan = part.died(start + 10s + 1ms);
    CHECK_FALSE(plan.is_degraded);
    CHECK(plan.delay == 800ms);
  }
}

TEST_CASE("what dies at once is tried every ten seconds, for ever") {
  restart_backoff part;
  auto delays = crash_loop(part, 0ms, 1h);
  CHECK(std::vector(delays.begin(), delays.begin() + 5) ==
        std::vector<milliseconds>{100ms, 200ms, 400ms, 10s, 10s});
  CHECK(delays.size() < 3600 / 10 + 5);
  CHECK(delays.back() == 10s);
}

TEST_CASE("what dies slowly is degraded, too, when it never gets anywhere") {
  restart_backoff part;
  auto delays = crash_loop(part, 20s, 1h);
  CHECK(std::vector(delays.begin(), delays.begin() + 8) ==
        std::vector<milliseconds>{100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10s});
  CHECK(part.is_degraded());
}

TEST_CASE("ready is not stable: who dies soon after goes on where it was") {
  restart_backoff part;
  crash_loop(part, 0ms, 1min);
  REQUIRE(part.is_degraded());
  auto now = start + 2min;
  part.became_ready(now);
  CHECK_FALSE(part.is_degraded());
  auto plan = part.died(now + 59s);
  CHECK(plan.is_degraded);
  CHECK(plan.delay == 10s);
  CHECK(part.is_degraded());
}

TEST_CASE("after a minute of service all is forgotten") {
  restart_backoff part;
  crash_loop(part, 0ms, 1min);
  part.became_ready(start + 2min);
  part.became_ready(start + 2min + 59s);  // said again: it has been so since the first time
  auto plan = part.died(start + 3min);
  CHECK_FALSE(plan.is_degraded);
  CHECK(plan.delay == 100ms);
  CHECK(plan.num_deaths_in_row == 1);
}

TEST_CASE("a long start is no service") {
  restart_backoff part;
  crash_loop(part, 0ms, 1min);
  part.became_ready(start + 2min);
  CHECK(part.died(start + 2min + 1s).is_degraded);
  CHECK(part.died(start + 10h).is_degraded);  // it was starting all the while
}

TEST_CASE("no options make a busy loop") {
  for (auto longest : {0ms, 1ms, 5ms}) {
    restart_backoff part({.max_restarts = 0, .first_delay = 0ms, .max_delay = longest});
    for (auto delay : crash_loop(part, 0ms, 50ms)) CHECK(delay >= 1ms);
    restart_backoff patient({.max_restarts = 1000, .first_delay = 0ms, .max_delay = longest});
    for (auto delay : crash_loop(patient, 0ms, 50ms)) CHECK(delay >= 1ms);
  }
}
