#include "load/latency_histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using troupe::load::latency_histogram;

namespace {

struct sample {
  latency_histogram all;
  std::vector<double> sorted;
};

sample draw(std::size_t count, unsigned seed) {
  sample out;
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> times(-3, 2);
  for (std::size_t i = 0; i < count; ++i) {
    out.sorted.push_back(times(random));
    out.all.observe(out.sorted.back());
  }
  std::sort(out.sorted.begin(), out.sorted.end());
  return out;
}

}  // namespace

TEST_CASE("quantiles are within half a percent of the exact ones") {
  auto [all, sorted] = draw(50'000, 1);
  for (double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
    auto exact = sorted[rank - 1];
    CHECK(std::abs(all.quantile(q) / exact - 1) < 0.00502);
  }
  CHECK(all.quantile(1) == sorted.back());
  CHECK(all.min() == sorted.front());
}

TEST_CASE("the mean and the deviation are exact") {
  latency_histogram all;
  for (double value : {1.0, 2.0, 3.0, 6.0}) all.observe(value);
  CHECK(all.mean() == doctest::Approx(3));
  CHECK(all.deviation() == doctest::Approx(std::sqrt(3.5)));
}

TEST_CASE("merged parts are the whole") {
  auto [all, sorted] = draw(10'000, 2);
  latency_histogram low, high;
  for (std::size_t i = 0; i < sorted.size(); ++i) (i % 3 == 0 ? low : high).observe(sorted[i]);
  low.merge(high);
  CHECK(low.buckets() == all.buckets());
  CHECK(low.mean() == doctest::Approx(all.mean()));
  CHECK(low.max() == all.max());
  CHECK(low.min() == all.min());
}

TEST_CASE("nothing, and what is out of range") {
  latency_histogram none;
  CHECK(none.quantile(0.99) == 0);
  CHECK(none.mean() == 0);
  CHECK(none.buckets().empty());
  latency_histogram edges;
  edges.observe(0);
  edges.observe(-1);
  edges.observe(1e9);
  CHECK(edges.count() == 3);
  CHECK(edges.quantile(1) == 1e9);
}

TEST_CASE("the share below a limit") {
  latency_histogram all;
  for (int i = 1; i <= 100; ++i) all.observe(i * 0.01);
  CHECK(all.share_below(0.5) == doctest::Approx(0.5).epsilon(0.03));
  CHECK(all.share_below(2) == 1);
  CHECK(all.share_below(0.001) == 0);
}
