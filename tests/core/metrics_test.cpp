#include "core/metrics.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace troupe;

TEST_CASE("a histogram renders cumulative buckets, sum and count") {
  std::array bounds{0.1, 1.0};
  histogram h(bounds);
  for (double x : {0.05, 0.1, 0.5, 7.0}) h.observe(x);
  metrics_text text(metric_labels{{"model_name", "demo"}});
  text.family("x_seconds", metrics_text::kind::histogram, "Some time.");
  text.sample(h);
  CHECK(text.take() ==
        "# HELP x_seconds Some time.\n# TYPE x_seconds histogram\n"
        "x_seconds_bucket{model_name=\"demo\",le=\"0.1\"} 2\n"
        "x_seconds_bucket{model_name=\"demo\",le=\"1\"} 3\n"
        "x_seconds_bucket{model_name=\"demo\",le=\"+Inf\"} 4\n"
        "x_seconds_sum{model_name=\"demo\"} 7.65\n"
        "x_seconds_count{model_name=\"demo\"} 4\n");
}

TEST_CASE("labels are escaped") {
  metrics_text text(metric_labels{});
  text.family("c", metrics_text::kind::counter, "Count.");
  text.sample(1, {{"a", "x\"y\\z\n"}});
  CHECK(text.take() == "# HELP c Count.\n# TYPE c counter\nc{a=\"x\\\"y\\\\z\\n\"} 1\n");
}

TEST_CASE("count buckets go 1, 2, 5 up to the largest count") {
  CHECK(one_two_five_buckets(1) == std::vector<double>{1});
  CHECK(one_two_five_buckets(120) == std::vector<double>{1, 2, 5, 10, 20, 50, 100});
}
