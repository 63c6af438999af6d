#include "load/comparison.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "load/comparison_page.hpp"
#include "sample_run.hpp"

using namespace troupe;
using namespace troupe::load;

namespace {

comparison compared(const run_record& a, const run_record& b, const char* allowed = "",
                    std::uint64_t seed = 1) {
  std::vector<allowed_change> limits;
  if (*allowed != 0) {
    auto parsed = parse_allowed_changes(allowed);
    REQUIRE(parsed);
    limits = *parsed;
  }
  return compare({a, {}}, {b, {}}, limits, seed);
}

const compared_figure& figure(const comparison& all, const std::string& name) {
  for (auto& one : all.figures)
    if (one.name == name) return one;
  FAIL("there is no " << name);
  return all.figures.front();
}

// `count` values of a normal distribution about 1 s with a deviation of 0.1 s.
latency_histogram normal_times(std::uint64_t count, keyed_random& random) {
  latency_histogram out;
  for (std::uint64_t i = 0; i < count; ++i) out.observe(1 + 0.1 * random.normal());
  return out;
}

}  // namespace

TEST_CASE("intervals hold the truth about as often as they say") {
  keyed_random random(5);
  int holds_mean = 0, holds_median = 0, holds_p90 = 0;
  constexpr int trials = 200;
  for (int i = 0; i < trials; ++i) {
    auto times = normal_times(400, random);
    auto holds = [](interval one, double truth) { return one.low <= truth && truth <= one.high; };
    // A bucket is 1 % wide: half of it is no error of the interval.
    auto mean = middle_of(mean_replicates(times, random));
    auto median = middle_of(quantile_replicates(times, 0.5, random));
    auto p90 = middle_of(quantile_replicates(times, 0.9, random));
    holds_mean += holds(mean, 1);
    holds_median += holds({median.low - 0.005, median.high + 0.005}, 1);
    holds_p90 += holds({p90.low - 0.005, p90.high + 0.005}, 1.128155);
    if (i == 0) {
      // 1.96 standard errors of 0.1 / sqrt(400) to either side.
      CHECK(mean.high - mean.low == doctest::Approx(0.0196).epsilon(0.25));
      CHECK(median.high - median.low == doctest::Approx(0.0246).epsilon(0.6));
    }
  }
  CHECK(holds_mean >= trials * 0.90);
  CHECK(holds_mean <= trials * 0.99);
  CHECK(holds_median >= trials * 0.90);
  CHECK(holds_p90 >= trials * 0.90);
}

TEST_CASE("many values are drawn as few are") {
  keyed_random random(6);
  auto times = normal_times(1001, random);  // by the normal distribution
  auto interval = middle_of(mean_replicates(times, random));
  CHECK(interval.high - interval.low == doctest::Approx(0.0124).epsilon(0.2));
}

TEST_CASE("blocks cover every second alike") {
  keyed_random random(7);
  std::vector<int> seen(100, 0);
  for (int i = 0; i < 2000; ++i) {
    auto drawn = draw_blocks(100, random);
    REQUIRE(drawn.size() == 100);
    CHECK((drawn[0] + 9) % 100 == drawn[9]);
    for (auto second : drawn) ++seen[second];
  }
  for (auto times : seen) CHECK(times == doctest::Approx(2000).epsilon(0.2));
}

TEST_CASE("the same run compared with itself has not changed") {
  auto run = sample_run();
  auto all = compared(run, run, "ttft_p99=1%,rps=1%,success=1%");
  CHECK(!all.is_regression());
  CHECK(all.differences.empty());
  for (auto& one : all.figures) {
    CHECK_MESSAGE(one.change == 0, one.name);
    CHECK_MESSAGE(one.verdict == change_verdict::same, one.name);
    CHECK(one.by_chance.low <= 0);
    CHECK(one.by_chance.high >= 0);
  }
}

TEST_CASE("what got slower is a regression when it is more than is allowed") {
  auto before = sample_run(), after = sample_run(60, 2, 1.5);
  auto all = compared(before, after, "ttft_p99=5%");
  auto& p99 = figure(all, "ttft_p99");
  CHECK(p99.change == doctest::Approx(0.5).epsilon(0.02));
  CHECK(p99.by_chance.low > 0.4);
  CHECK(p99.by_chance.high < 0.6);
  CHECK(p99.verdict == change_verdict::regression);
  CHECK(all.is_regression());
  auto words = in_words(p99);
  for (auto* part : {"ttft_p99 went from ", " ms to ", ": +", "95 % interval +", "5 % worse is"})
    CHECK_MESSAGE(words.find(part) != std::string::npos, words);
  CHECK(comparison_table(all).find("regression: ttft_p99 went") != std::string::npos);
  CHECK(figure(all, "e2e_mean").verdict == change_verdict::worse);
  CHECK(!compared(before, after, "ttft_p99=60%").is_regression());
  CHECK(!compared(before, after).is_regression());
  CHECK(!compared(after, before, "ttft_p99=5%").is_regression());
  CHECK(figure(compared(after, before), "ttft_p99").verdict == change_verdict::better);
}

TEST_CASE("fewer answers are a regression of their rate and of their share") {
  auto before = sample_run(), after = sample_run();
  for (auto& point : after.series) point.rejected = point.succeeded / 2, point.succeeded /= 2;
  auto& t = after.overall.totals;
  t.rejected = t.succeeded / 2;
  t.succeeded /= 2;
  auto all = compared(before, after, "rps=2%,success=1%,rejected=1%");
  CHECK(figure(all, "rps").change == doctest::Approx(-0.5));
  CHECK(figure(all, "rps").verdict == change_verdict::regression);
  CHECK(figure(all, "success").verdict == change_verdict::regression);
  CHECK(change_text(figure(all, "success"), figure(all, "success").change).ends_with("points"));
  CHECK(figure(all, "rejected").verdict == change_verdict::regression);
}

TEST_CASE("what chance may explain is no regression") {
  auto before = sample_run(), after = sample_run();
  keyed_random random(3);
  before.overall.times.e2e = normal_times(30, random);
  after.overall.times.e2e = normal_times(30, random);
  auto all = compared(before, after, "e2e_p99=0%,e2e_mean=0%");
  CHECK(!all.is_regression());
  before.overall.times.e2e = normal_times(5, random);
  after.overall.times.e2e = {};
  after.overall.times.e2e.observe(100, 5);
  auto few = compared(before, after, "e2e_p99=5%");
  CHECK(!few.is_regression());
  CHECK(std::isnan(figure(few, "e2e_p99").by_chance.low));
  CHECK(figure(few, "e2e_p99").verdict == change_verdict::unclear);
}

TEST_CASE("the same seed finds the same intervals") {
  auto before = sample_run(), after = sample_run(60, 2, 1.1);
  auto one = figure(compared(before, after, "", 1), "e2e_p95").by_chance;
  auto same = figure(compared(before, after, "", 1), "e2e_p95").by_chance;
  auto other = figure(compared(before, after, "", 2), "e2e_p95").by_chance;
  CHECK(one.low == same.low);
  CHECK(one.high == same.high);
  CHECK((one.low != other.low || one.high != other.high));
}

TEST_CASE("a ledger widens the intervals of requests that wait for each other") {
  // Ten seconds in a row are slow: as independent requests they look surer than they are.
  compared_run a{sample_run(), {}};
  a.run.overall.times.e2e = {};
  for (std::uint32_t second = 0; second < 60; ++second)
    for (int i = 0; i < 15; ++i) {
      request_record one;
      one.stage = second / 30;
      one.due = second + 0.05 * i;
      one.end = one.due + (second / 10 % 2 == 0 ? 1.0 : 2.0);
      a.ledger.push_back(one);
      a.run.overall.times.e2e.observe(one.e2e());
    }
  auto with = figure(compare(a, a, {}, 1), "e2e_mean").by_chance;
  a.ledger.clear();
  auto without = figure(compare(a, a, {}, 1), "e2e_mean").by_chance;
  CHECK(with.high - with.low > 2 * (without.high - without.low));
}

TEST_CASE("other plans, APIs and loads are not comparable") {
  auto a = sample_run();
  CHECK(obstacles(a, a).empty());
  CHECK(obstacles(a, sample_run(120)).empty());  // longer, but the same load
  auto b = a;
  b.where.plan = "sweep";
  b.where.api = "generate";
  b.where.is_stream = false;
  auto why = obstacles(a, b);
  REQUIRE(why.size() == 3);
  CHECK(why[0] == "plan: A has ramp, B has sweep");
  CHECK(why[1] == "API: A has chat, B has generate");
  CHECK(obstacles(a, sample_run(60, 3)).size() == 1);
  b = a;
  b.overall.totals.succeeded = 0;
  CHECK(obstacles(a, b) == std::vector<std::string>{"B has no successful request"});
  b = a;
  b.where.model = "another";
  CHECK(obstacles(a, b).empty());
  CHECK(compared(a, b).differences == std::vector<std::string>{"model: A has demo, B has another"});
}

TEST_CASE("limits of a comparison are read or refused") {
  auto found = parse_allowed_changes("ttft_p99=5%,rps=0.02");
  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK(found->at(0).most == 0.05);
  CHECK(found->at(1).most == 0.02);
  for (auto* wrong : {"", "ttft_p99", "ttft_p99=", "ttft_p99=x", "ttft=5%", "speed=5%", "rps=-1",
                      "rps=nan", "=5%"})
    CHECK_MESSAGE(!parse_allowed_changes(wrong), wrong);
}

TEST_CASE("a comparison's page has both runs, and hostile names stay text") {
  auto a = sample_run(), b = sample_run(60, 2, 1.5);
  b.where.model = "<script>x</script>";
  auto all = compared(a, b, "ttft_p99=5%");
  auto page = comparison_page(a, b, all, "<b>", "b.json");
  auto has = [&](const char* text) { return page.find(text) != std::string::npos; };
  CHECK(has("Regression"));
  CHECK(has("A p99"));
  CHECK(has("B p99"));
  CHECK(has("&lt;b&gt;"));
  CHECK(!has("<script>x"));
  CHECK(page.size() < 200 * 1024);
}
