#include "core/rate_limiter.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

using namespace troupe;
using std::chrono::milliseconds;

namespace {

constexpr rate_limit two_and_four{.milli_per_second = 2000, .milli_burst = 4000};

// What passes of `num` requests at once: "PPR".
std::string knock(rate_limiter& door, const rate_limit& limit, int num, int at_ms) {
  std::string out;
  for (int i = 0; i < num; ++i)
    out += door.admit("a", limit, milliseconds{at_ms}).passes ? 'P' : 'R';
  return out;
}

// A line of people before a counter that serves one in `period_ms`, at most `burst` of them waiting
// beside the one whose service begins: in exact fractions of a request instead of state and rate.
struct queue_model {
  std::int64_t period_ms, burst;
  std::deque<std::int64_t> begins;  // of those not yet begun at the time of the last arrival

  bool arrive(std::int64_t now) {
    while (!begins.empty() && begins.front() + period_ms <= now) begins.pop_front();
    auto begin = begins.empty() ? now : begins.back() + period_ms;
    if (begin - now > burst * period_ms) return false;
    begins.push_back(begin);
    return true;
  }
};

}  // namespace

TEST_CASE("what nginx answers with rate=2r/s burst=4 nodelay") {
  rate_limiter door;
  CHECK(knock(door, two_and_four, 8, 0) == "PPPPPRRR");
  CHECK(knock(door, two_and_four, 2, 520) == "PR");
  CHECK(knock(door, two_and_four, 3, 1540) == "PPR");
}

TEST_CASE("without nodelay what is beyond the rate waits its turn") {
  rate_limiter door;
  rate_limit limit = two_and_four;
  limit.nodelay = false;
  for (int i = 0; i < 8; ++i) {
    auto verdict = door.admit("a", limit, milliseconds{7});
    CHECK(verdict.passes == (i < 5));
    CHECK(verdict.delay == milliseconds{i < 5 ? 500 * i : 0});
  }
}

TEST_CASE("a refused request passes when it was told to, and not a millisecond before") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    rate_limit limit{.milli_per_second = 1 + static_cast<std::int64_t>(random() % 5000),
                     .milli_burst = static_cast<std::int64_t>(random() % 4) * 1000};
    rate_limiter door;
    milliseconds now{static_cast<std::int64_t>(random() % 10'000)};
    for (int i = 0; i < 6; ++i) {
      now += milliseconds{random() % 300};
      auto verdict = door.admit("a", limit, now);
      if (verdict.passes) continue;
      CHECK(verdict.retry_after.count() > 0);
      // Refusals change nothing, so the same door can be asked again.
      now += verdict.retry_after;
      CHECK_FALSE(door.admit("a", limit, now - milliseconds{1}).passes);
      CHECK(door.admit("a", limit, now).passes);
    }
  }
}

TEST_CASE("random timelines pass as a line before a counter") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    // Periods that divide a second: nothing is rounded, and the model is exact.
    std::int64_t rates[] = {1, 2, 4, 5, 10, 100, 1000};
    auto rate = rates[random() % 7];
    auto burst = static_cast<std::int64_t>(random() % 9);
    rate_limit limit{.milli_per_second = rate * 1000, .milli_burst = burst * 1000};
    queue_model model{1000 / rate, burst, {}};
    rate_limiter door;
    std::int64_t now = 0;
    for (int i = 0; i < 400; ++i) {
      if (random() % 3 == 0) now += static_cast<std::int64_t>(random() % (3 * model.period_ms + 1));
      CAPTURE(seed);
      CAPTURE(i);
      REQUIRE(door.admit("a", limit, milliseconds{now}).passes == model.arrive(now));
    }
  }
}

TEST_CASE("clients do not share a bucket, and a year later a bucket is empty") {
  rate_limiter door;
  rate_limit one{.milli_per_second = 1'000'000'000, .milli_burst = 0};
  CHECK(door.admit("a", one, milliseconds{0}).passes);
  CHECK_FALSE(door.admit("a", one, milliseconds{0}).passes);
  CHECK(door.admit("b", one, milliseconds{0}).passes);
  CHECK(door.admit("a", one, milliseconds{31'536'000'000}).passes);
}

TEST_CASE("a clock that goes back refuses nobody for long") {
  rate_limiter door;
  CHECK(knock(door, two_and_four, 5, 100'000) == "PPPPP");
  CHECK(knock(door, two_and_four, 1, 99'000) == "R");
  // Far back counts as one millisecond on.
  CHECK(door.admit("a", two_and_four, milliseconds{10'000}).retry_after == milliseconds{499});
}

TEST_CASE("the table forgets the client unused for longest") {
  rate_limiter door(2);
  rate_limit one{.milli_per_second = 1, .milli_burst = 0};
  auto passes = [&](const char* key) { return door.admit(key, one, milliseconds{0}).passes; };
  CHECK(passes("a"));
  CHECK(passes("b"));
  CHECK_FALSE(passes("a"));
  CHECK(passes("c"));  // b gives way
  CHECK_FALSE(passes("a"));
  CHECK(passes("b"));
  CHECK(door.num_keys() == 2);
}

TEST_CASE("rates are written as nginx writes them") {
  CHECK(parse_rate("2r/s") == 2000);
  CHECK(parse_rate("30r/m") == 500);
  CHECK(parse_rate("1r/m") == 16);
  for (auto* text : {"", "2", "r/s", "0r/s", "-1r/s", "1.5r/s", "2r/h", "2 r/s", "2r/s ",
                     "1000001r/s", "99999999999999999999r/s"})
    CHECK_MESSAGE(!parse_rate(text), text);
}
