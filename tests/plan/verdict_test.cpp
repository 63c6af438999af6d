#include "plan/verdict.hpp"

#include <doctest/doctest.h>

#include "plan/report.hpp"

using namespace troupe;
using namespace troupe::planning;

namespace {

house_course calm_course() {
  house_course out;
  out.load.seconds = 10;
  out.load.first_token = std::vector<double>(100, 0.1);
  out.load.token_gaps = {0.02F, 0.04F};
  out.load.num_output_tokens = 1000;
  out.load.num_input_tokens = 3000;
  out.load.num_finished = 100;
  out.kv_share = 0.25;
  return out;
}

plan_row row_with(bool keeps, double rate) {
  plan_row out;
  out.keeps_slo = keeps;
  out.output_per_second = rate;
  return out;
}

}  // namespace

TEST_CASE("rates and costs follow from what was seen") {
  const auto row = judge(calm_course(), {.concurrency = 4}, {.usd_per_hour = 3.6});
  CHECK(row.requests_per_second == doctest::Approx(10));
  CHECK(row.output_per_second == doctest::Approx(100));
  CHECK(row.total_per_second == doctest::Approx(400));
  CHECK(row.itl_mean == doctest::Approx(0.03));
  // 3.60 an hour is 0.001 a second for 100 tokens: 10 for a million.
  CHECK(*row.usd_per_million_output == doctest::Approx(10));
  CHECK(*row.usd_per_million_total == doctest::Approx(2.5));
  CHECK(row.is_stable);
  CHECK(row.keeps_slo);
  CHECK_FALSE(judge(calm_course(), {}, {}).usd_per_million_output);
}

TEST_CASE("the 99th of 100 first tokens is the last but one") {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(i);
  CHECK(percentile(values, 0.99) == 99);
  CHECK(percentile(values, 0.5) == 50);
  CHECK(percentile({7}, 0.99) == 7);
  CHECK(percentile({}, 0.5) == 0);
}

TEST_CASE("a row is unstable for each of its reasons, and says which") {
  auto trouble = [](auto change) {
    auto course = calm_course();
    change(course);
    const auto row = judge(course, {}, {});
    CHECK_FALSE(row.is_stable);
    CHECK_FALSE(row.keeps_slo);
    return row.why_not;
  };
  CHECK(trouble([](auto& c) { c.load.num_refused = 2; }) == "2 refused: the queue is full");
  CHECK(trouble([](auto& c) { c.load.num_timed_out = 1; }) == "1 timed out");
  CHECK(trouble([](auto& c) { c.load.num_failed = 1; }) == "1 failed");
  CHECK(trouble([](auto& c) { c.load.num_unanswered = 3; }) == "3 still wait at the end");
  CHECK(trouble([](auto& c) { c.load.num_finished = 0; }) == "nothing was answered");
  CHECK(trouble([](auto& c) { c.num_preemptions = 11; }) == "11 preempted: too few pages");
  CHECK(trouble([](auto& c) {
          for (std::size_t i = 66; i < 100; ++i) c.load.first_token[i] = 0.3;
        }) == "first tokens come later and later");
}

TEST_CASE("ten in a hundred may be preempted, and a few late tokens are no course") {
  auto course = calm_course();
  course.num_preemptions = 10;
  course.load.first_token[99] = 0.9;
  CHECK(judge(course, {}, {}).is_stable);
}

TEST_CASE("an SLO looks at the 99th") {
  auto course = calm_course();
  course.load.first_token[3] = 5;
  CHECK(judge(course, {}, {.ttft_slo_seconds = 0.1}).keeps_slo);
  course.load.first_token[4] = 5;
  CHECK_FALSE(judge(course, {}, {.ttft_slo_seconds = 0.1}).keeps_slo);
}

TEST_CASE("the smallest that keeps the SLO has the fewest devices, then the most tokens") {
  const std::vector<candidate> all{
      {4, "a", {row_with(true, 10), row_with(true, 90)}},
      {2, "b", {row_with(true, 10), row_with(false, 50)}},
      {2, "c", {row_with(true, 10), row_with(true, 20)}},
      {2, "d", {row_with(true, 10), row_with(true, 30)}},
      {1, "does not fit", {}},
  };
  CHECK(choose_smallest(all) == 3U);
  CHECK(count_kept(all[1]) == 1);
  CHECK_FALSE(choose_smallest(std::span(all).subspan(1, 1)));
}

TEST_CASE("small numbers keep three digits") {
  CHECK(fixed(12.345, 1) == "12.3");
  CHECK(fixed(0.5427, 1) == "0.543");
  CHECK(fixed(0.0305, 3) == "0.0305");
  CHECK(fixed(0, 2) == "0.00");
}
