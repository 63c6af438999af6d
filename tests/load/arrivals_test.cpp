#include "load/arrivals.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace troupe;
using namespace troupe::load;

namespace {

std::vector<double> gaps_of(const std::vector<double>& times) {
  std::vector<double> out;
  double last = 0;
  for (auto time : times) out.push_back(time - last), last = time;
  return out;
}

// The p value of a Kolmogorov-Smirnov test against an exponential distribution, by the limit of
// Kolmogorov's distribution: fit for thousands of values.
double exponential_fit(std::vector<double> values, double rate) {
  std::sort(values.begin(), values.end());
  auto n = static_cast<double>(values.size());
  double distance = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto expected = 1 - std::exp(-rate * values[i]);
    auto before = static_cast<double>(i) / n, after = static_cast<double>(i + 1) / n;
    distance = std::max({distance, expected - before, after - expected});
  }
  auto x = (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)) * distance;
  double p = 0;
  for (int k = 1; k <= 100; ++k) p += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return p;
}

struct moments {
  double mean = 0, variance = 0;
};

moments moments_of(const std::vector<double>& values) {
  moments out;
  for (auto value : values) out.mean += value / static_cast<double>(values.size());
  for (auto value : values)
    out.variance += (value - out.mean) * (value - out.mean) / static_cast<double>(values.size());
  return out;
}

arrival_process process_of(const char* text) {
  auto out = parse_arrival(text);
  REQUIRE(out);
  return *out;
}

}  // namespace

TEST_CASE("poisson arrivals pass a Kolmogorov-Smirnov test") {
  for (std::uint64_t seed : {0U, 1U, 2U, 42U, 12345U}) {
    auto gaps = gaps_of(arrival_times({}, 20, 500, seed));
    CHECK(exponential_fit(gaps, 20) > 0.01);
  }
  // The test can fail: constant gaps, and those of another rate, are not exponential.
  CHECK(exponential_fit(gaps_of(arrival_times(process_of("constant"), 20, 500, 0)), 20) < 1e-6);
  CHECK(exponential_fit(gaps_of(arrival_times({}, 21.5, 500, 0)), 20) < 0.01);
}

TEST_CASE("the number of poisson arrivals has its mean and its variance") {
  std::vector<double> counts;
  for (std::uint64_t seed = 0; seed < 400; ++seed)
    counts.push_back(static_cast<double>(arrival_times({}, 10, 10, seed).size()));
  auto [mean, variance] = moments_of(counts);
  // 400 samples of mean 100 and deviation 10: bounds of four deviations of their own.
  CHECK(std::abs(mean - 100) < 4 * 10 / 20.0);
  CHECK(std::abs(variance - 100) < 4 * 100 * std::sqrt(2.0 / 400));
}

TEST_CASE("gamma gaps have the mean of their rate and the variance of their shape") {
  for (auto [text, shape] : {std::pair{"gamma:0.5", 0.5}, {"gamma:2", 2.0}, {"gamma:20", 20.0}}) {
    auto [mean, variance] = moments_of(gaps_of(arrival_times(process_of(text), 50, 2000, 3)));
    CHECK(mean == doctest::Approx(1.0 / 50).epsilon(0.02));
    CHECK(variance * shape == doctest::Approx(1.0 / 2500).epsilon(0.05));
  }
}

TEST_CASE("constant arrivals do not drift") {
  auto times = arrival_times(process_of("constant"), 1000, 600, 0);
  REQUIRE(times.size() == 600'000);
  CHECK(times.front() == 0);
  CHECK(times.back() == doctest::Approx(599.999).epsilon(1e-12));
}

TEST_CASE("a schedule depends on its seed alone, and stays within its duration") {
  auto once = arrival_times({}, 100, 10, 5);
  CHECK(once == arrival_times({}, 100, 10, 5));
  CHECK(once != arrival_times({}, 100, 10, 6));
  CHECK(std::is_sorted(once.begin(), once.end()));
  CHECK(once.back() < 10);
}

TEST_CASE("words for arrivals") {
  CHECK(to_string(process_of("gamma:0.5")) == "gamma:0.5");
  CHECK(to_string(process_of("poisson")) == "poisson");
  for (auto text :
       {"", "uniform", "gamma", "gamma:", "gamma:0", "gamma:-1", "gamma:nan", "gamma:1x"})
    CHECK(!parse_arrival(text));
}
