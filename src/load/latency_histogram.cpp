#include "load/latency_histogram.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::load {
namespace {

constexpr double least = 1e-6, greatest = 1e6;  // seconds
const double log_growth = std::log(1.01);

}  // namespace

std::uint32_t latency_histogram::index_of(double seconds) {
  if (!(seconds > least)) return 0;
  return static_cast<std::uint32_t>(std::log(std::min(seconds, greatest) / least) / log_growth);
}

double latency_histogram::lower_bound_of(std::uint32_t index) {
  return least * std::exp(log_growth * index);
}

double latency_histogram::value_of(std::uint32_t index) {
  return least * std::exp(log_growth * (index + 0.5));
}

std::uint64_t& latency_histogram::at(std::uint32_t index) {
  if (counts_.empty()) first_ = index;
  if (index < first_) {
    counts_.insert(counts_.begin(), first_ - index, 0);
    first_ = index;
  }
  if (index - first_ >= counts_.size()) counts_.resize(index - first_ + 1);
  return counts_[index - first_];
}

void latency_histogram::observe(double seconds, std::uint64_t times) {
  if (times == 0) return;
  at(index_of(seconds)) += times;
  min_ = count_ == 0 ? seconds : std::min(min_, seconds);
  max_ = count_ == 0 ? seconds : std::max(max_, seconds);
  count_ += times;
  sum_ += seconds * static_cast<double>(times);
  sum_of_squares_ += seconds * seconds * static_cast<double>(times);
}

void latency_histogram::merge(const latency_histogram& other) {
  if (other.count_ == 0) return;
  for (auto [index, times] : other.buckets()) at(index) += times;
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  count_ += other.count_;
  sum_ += other.sum_;
  sum_of_squares_ += other.sum_of_squares_;
}

double latency_histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

double latency_histogram::deviation() const {
  if (count_ == 0) return 0;
  auto middle = mean();
  return std::sqrt(std::max(0.0, sum_of_squares_ / static_cast<double>(count_) - middle * middle));
}

double latency_histogram::quantile(double q) const {
  if (count_ == 0) return 0;
  auto wanted = std::ceil(q * static_cast<double>(count_));
  auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
  if (rank == count_) return max_;
  std::uint64_t passed = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    passed += counts_[i];
    if (passed >= rank)
      return std::clamp(value_of(first_ + static_cast<std::uint32_t>(i)), min_, max_);
  }
  return max_;
}

double latency_histogram::share_below(double seconds) const {
  if (count_ == 0) return 0;
  if (seconds >= max_) return 1;
  if (seconds < min_) return 0;
  auto last = index_of(seconds);
  std::uint64_t passed = 0;
  for (auto [index, times] : buckets())
    if (index <= last) passed += times;
  return static_cast<double>(passed) / static_cast<double>(count_);
}

std::vector<latency_histogram::bucket> latency_histogram::buckets() const {
  std::vector<bucket> out;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i] > 0) out.emplace_back(first_ + static_cast<std::uint32_t>(i), counts_[i]);
  return out;
}

latency_histogram latency_histogram::restored(const std::vector<bucket>& buckets, double sum,
                                              double sum_of_squares, double min, double max) {
  latency_histogram out;
  for (auto [index, times] : buckets) {
    if (times == 0) continue;
    out.at(index) += times;
    out.count_ += times;
  }
  out.sum_ = sum;
  out.sum_of_squares_ = sum_of_squares;
  out.min_ = min;
  out.max_ = max;
  return out;
}

}  // namespace troupe::load
