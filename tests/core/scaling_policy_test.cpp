#include "core/scaling_policy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

using namespace troupe;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

// Looks at the same fleet once a second, or as often as it is told to.
struct watcher {
  explicit watcher(scaling_options options) : policy(std::move(options)) {}

  scaling_policy policy;
  scaling_signs signs{.now = scaling_policy_start(), .num_ready = 1};

  static std::chrono::steady_clock::time_point scaling_policy_start() {
    return std::chrono::steady_clock::time_point{1h};
  }
  scaling_decision look(milliseconds later = 1s) {
    signs.now += later;
    return policy.decide(signs);
  }
  // The seconds until something is decided.
  int wait(scaling_decision& decided, int at_most = 1000) {
    for (int i = 1; i <= at_most; ++i)
      if (decided = look(); decided.change != 0) return i;
    return -1;
  }
};

scaling_options one_to_five() { return {.min_replicas = 1, .max_replicas = 5}; }

bool says(const scaling_decision& decided, std::string_view part) {
  INFO(decided.reason);
  CHECK(decided.reason.find(part) != std::string::npos);
  return decided.reason.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a load above 0.70 for ten seconds brings another one") {
  watcher w(one_to_five());
  w.signs.load = 0.71;
  for (int i = 0; i < 10; ++i) CHECK(w.look().change == 0);
  says(w.look(-0s), "load 0.71 of 1 ready above 0.70 for 9.0 s of 10.0 s");
  auto decided = w.look();
  CHECK(decided.change == 1);
  CHECK(decided.reason == "load 0.71 of 1 ready above 0.70 for 10.0 s, at most 5");
  CHECK(decided.min_now == 1);
  CHECK(decided.max_now == 5);
}

TEST_CASE("exactly at the mark is not above it, and a moment below starts the count anew") {
  watcher w(one_to_five());
  w.signs.load = 0.70;
  scaling_decision decided;
  CHECK(w.wait(decided, 60) == -1);
  says(decided, "load 0.70 of 1 ready is between 0.30 and 0.70");
  w.signs.load = 0.9;
  for (int i = 0; i < 10; ++i) CHECK(w.look().change == 0);
  w.signs.load = 0.5;
  CHECK(w.look().change == 0);
  w.signs.load = 0.9;
  CHECK(w.wait(decided) == 11);
}

TEST_CASE("as many more as bring the load to 0.70, at most twice as many in all") {
  struct expectation {
    std::uint32_t num;
    double load;
    std::int32_t change;
  };
  for (auto [num, load, change] :
       {expectation{1, 0.71, 1}, expectation{5, 0.84, 1}, expectation{5, 0.85, 2},
        expectation{4, 1.05, 2}, expectation{4, 1.40, 4}, expectation{4, 9.00, 4},
        expectation{10, 50.0, 10}, expectation{18, 50.0, 2}}) {
    watcher w({.min_replicas = 1, .max_replicas = 20});
    w.signs.num_ready = num;
    w.signs.load = load;
    scaling_decision decided;
    CHECK(w.wait(decided) == 11);
    CAPTURE(num);
    CAPTURE(load);
    CHECK(decided.change == change);
  }
}

TEST_CASE("what is starting shares the load already: a spike gets all it needs, not more") {
  watcher w(one_to_five());
  w.signs.load = 1.5;  // of one; two would carry 0.75 each, three 0.50
  scaling_decision decided;
  CHECK(w.wait(decided) == 11);
  CHECK(decided.change == 1);
  w.signs.num_starting = 1;
  decided = w.look();
  CHECK(decided.change == 1);
  says(decided, "load 0.75 of 1 ready and 1 starting above 0.70");
  w.signs.num_starting = 2;
  CHECK(w.wait(decided, 600) == -1);
  says(decided, "load 0.50 of 1 ready and 2 starting is between");
}

TEST_CASE("never above the most") {
  watcher w(one_to_five());
  w.signs.num_ready = 4;
  w.signs.num_starting = 1;
  w.signs.load = 100;
  scaling_decision decided;
  CHECK(w.wait(decided, 300) == -1);
  says(decided, "above 0.70 for 299.0 s, but there are at most 5");
}

TEST_CASE("a load below 0.30 for three minutes lets one go, one at a time") {
  watcher w(one_to_five());
  w.signs.num_ready = 4;
  w.signs.load = 0.29;
  scaling_decision decided;
  CHECK(w.wait(decided) == 181);
  CHECK(decided.change == -1);
  CHECK(decided.reason == "average load 0.29 of 4 ready below 0.30 for 180.0 s, at least 1");
  w.signs.num_ready = 3;
  w.signs.num_draining = 1;
  CHECK(w.wait(decided, 400) == -1);
  says(decided, "but 1 draining already");
  w.signs.num_draining = 0;
  CHECK(w.look().change == -1);
  w.signs.num_ready = 2;
  CHECK(w.wait(decided) == 180);
  w.signs.num_ready = 1;
  CHECK(w.wait(decided, 400) == -1);
  says(decided, "but there are at least 1");
}

TEST_CASE("a long prompt now and then keeps nobody, a load that lasts does") {
  watcher w(one_to_five());
  w.signs.num_ready = 2;
  // One look in ten sees 0.6: 0.15 on average.
  int num_looks = 0;
  do w.signs.load = ++num_looks % 10 == 0 ? 0.6 : 0.1;
  while (w.look().change == 0 && num_looks < 1000);
  CHECK(num_looks == 181);
  watcher busy(one_to_five());
  busy.signs.num_ready = 2;
  for (int i = 0; i < 1000; ++i) {
    busy.signs.load = i % 10 < 5 ? 0.6 : 0.1;
    CHECK(busy.look().change == 0);
  }
}

TEST_CASE("after a spike the average comes down soon, however high it was") {
  watcher w({.min_replicas = 1, .max_replicas = 2});
  w.signs.num_ready = 2;
  w.signs.load = 1000;
  for (int i = 0; i < 100; ++i) CHECK(w.look().change == 0);
  w.signs.load = 0;
  scaling_decision decided;
  CHECK(w.wait(decided) < 180 + 40);
}

TEST_CASE("nobody goes while one is starting, or when the others would carry too much") {
  watcher w({.min_replicas = 1, .max_replicas = 5, .in_below = 0.40});
  w.signs.num_ready = 2;
  w.signs.load = 0.30;
  scaling_decision decided;
  CHECK(w.wait(decided, 400) == -1);
  says(decided, "but one less would carry 0.60, not below 0.60");
  w.signs.load = 0.29;
  w.signs.num_starting = 1;
  CHECK(w.wait(decided, 400) == -1);
  says(decided, "but not while one is starting");
  w.signs.num_starting = 0;
  CHECK(w.look().change == -1);
}

TEST_CASE("a death is made good at once, too many are let go at once") {
  watcher w({.min_replicas = 3, .max_replicas = 5});
  w.signs.num_ready = 1;
  w.signs.num_starting = 1;
  auto decided = w.look();
  CHECK(decided.change == 1);
  CHECK(decided.reason == "2 ready or starting, at least 3 now");
  w.signs.num_ready = w.signs.num_starting = 0;
  CHECK(w.look().change == 3);
  w.signs.num_starting = 3;
  decided = w.look();
  CHECK(decided.change == 0);
  CHECK(decided.reason == "none is ready, 3 starting");
  w.signs.num_ready = 6;
  w.signs.num_starting = 1;
  decided = w.look();
  CHECK(decided.change == -2);
  CHECK(decided.reason == "7 ready or starting, at most 5 now");
}

TEST_CASE("what drains is neither there nor in the way of a new one") {
  watcher w({.min_replicas = 1, .max_replicas = 2});
  w.signs.num_draining = 2;
  w.signs.load = 1;
  scaling_decision decided;
  CHECK(w.wait(decided) == 11);
  CHECK(decided.change == 1);
}

TEST_CASE("the schedule's numbers hold while its window does") {
  auto options = one_to_five();
  options.schedule = {*parse_scaling_window("Mon 08:00-09:00=3..4")};
  watcher w(options);
  w.signs.minute_of_week = 479;
  CHECK(w.look().change == 0);
  w.signs.minute_of_week = 480;
  auto decided = w.look();
  CHECK(decided.change == 2);
  CHECK(decided.min_now == 3);
  CHECK(decided.max_now == 4);
  w.signs.num_ready = 5;
  CHECK(w.look().change == -1);
  w.signs.minute_of_week = 540;
  CHECK(w.look().change == 0);
}

TEST_CASE("a gap between two looks counts for five seconds at most") {
  watcher w(one_to_five());
  w.signs.load = 0.9;
  CHECK(w.look().change == 0);
  CHECK(w.look(1h).change == 0);
  says(w.look(0s), "for 5.0 s of 10.0 s");
  CHECK(w.look(-1h).change == 0);  // no clock does that, and none gains by it
  says(w.look(0s), "for 5.0 s of 10.0 s");
  CHECK(w.look(5s).change == 1);
  // Whoever looks every ten seconds still gets there.
  watcher slow(one_to_five());
  slow.signs.load = 0.9;
  int num_looks = 1;
  while (slow.look(10s).change == 0 && num_looks < 100) ++num_looks;
  CHECK(num_looks == 3);
}

TEST_CASE("a load that is no number changes nothing") {
  watcher w(one_to_five());
  w.signs.num_ready = 2;
  w.signs.load = std::numeric_limits<double>::quiet_NaN();
  scaling_decision decided;
  CHECK(w.wait(decided, 400) == -1);
  w.signs.load = std::numeric_limits<double>::infinity();
  CHECK(w.wait(decided) == 11);
  CHECK(decided.change == 2);
}

TEST_CASE("random signs: within the bounds, and in only when it may") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    auto least = 1 + below(3), most = least + below(6);
    watcher w({.min_replicas = least, .max_replicas = most, .in_after = 20s});
    for (int i = 0; i < 2'000; ++i) {
      if (below(40) == 0) {
        w.signs.num_ready = below(8);
        w.signs.num_starting = below(3) == 0 ? below(4) : 0;
        w.signs.num_draining = below(4) == 0 ? 1 : 0;
        w.signs.load = below(12) * 0.1;
      }
      auto decided = w.look(milliseconds{below(3'000)});
      auto num = w.signs.num_ready + w.signs.num_starting;
      auto then = static_cast<std::int64_t>(num) + decided.change;
      REQUIRE(then >= least);
      REQUIRE(then <= most);
      REQUIRE_FALSE(decided.reason.empty());
      if (num < least || num > most) continue;
      auto is_calm = w.signs.load <= 0.7 && w.signs.num_starting == 0 && w.signs.num_draining == 0;
      REQUIRE((decided.change >= 0 || (decided.change == -1 && is_calm)));
      REQUIRE((decided.change <= 0 || w.signs.load > 0.7));
      w.signs.num_ready += decided.change < 0 ? ~0U : 0U;
      w.signs.num_starting += decided.change > 0 ? static_cast<std::uint32_t>(decided.change) : 0;
    }
  }
}
