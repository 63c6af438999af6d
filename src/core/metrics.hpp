// Counters and histograms as values, and their Prometheus text.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

// Cumulative on rendering only; `observe` touches one bucket.
class histogram {
 public:
  explicit histogram(std::span<const double> upper_bounds);
  void observe(double value);
  std::uint64_t count() const { return count_; }
  void render(std::string& out, std::string_view name, std::string_view labels) const;

 private:
  std::vector<double> upper_bounds_;
  std::vector<std::uint64_t> counts_;  // [upper_bounds + 1], the last one is +Inf's
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

using metric_labels = std::vector<std::pair<std::string, std::string>>;

// Writes metric families in Prometheus' text form. Labels are escaped; every sample carries the
// common labels given at construction.
class metrics_text {
 public:
  explicit metrics_text(metric_labels common);
  enum class kind : std::uint8_t { counter, gauge, histogram };
  // The header of a family; its samples follow.
  void family(std::string_view name, kind type, std::string_view help);
  void sample(double value, const metric_labels& more = {});
  void sample(const histogram& values, const metric_labels& more = {});
  std::string take() { return std::move(out_); }

 private:
  std::string label_text(const metric_labels& more) const;
  metric_labels common_;
  std::string family_;
  std::string out_;
};

// Seconds; vLLM's buckets for the times of the same name, so that its dashboards fit, and some
// below them.
std::span<const double> first_token_buckets();
std::span<const double> inter_token_buckets();
std::span<const double> request_buckets();
// Counts: vLLM's, too.
std::span<const double> step_token_buckets();
std::span<const double> choice_buckets();
// Seconds: a token mask, and a grammar compiled.
std::span<const double> mask_buckets();
std::span<const double> compile_buckets();
// 1, 2, 5, 10, 20, ... up to `max_value`.
std::vector<double> one_two_five_buckets(double max_value);

}  // namespace troupe
