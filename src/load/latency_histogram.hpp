// Times in logarithmic buckets of 1 %: a quantile is off by at most 0.5 %, the mean, the least and
// the greatest value are exact.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe::load {

class latency_histogram {
 public:
  // One bucket of the sparse form: its number and how many values it has.
  using bucket = std::pair<std::uint32_t, std::uint64_t>;

  // Seconds; what is below a microsecond counts as one, what is above 10^6 s as that.
  void observe(double seconds, std::uint64_t times = 1);
  void merge(const latency_histogram& other);

  std::uint64_t count() const { return count_; }
  double sum() const { return sum_; }
  // All of these are 0 when there is no value. Seconds.
  double mean() const;
  double deviation() const;  // standard deviation of the values, not of a sample of them
  double min() const { return count_ == 0 ? 0 : min_; }
  double max() const { return count_ == 0 ? 0 : max_; }
  // The least value that a share of at least `q` (0 to 1) of the values does not exceed.
  double quantile(double q) const;
  // The share of the values that are at most `seconds`, to the precision of a bucket.
  double share_below(double seconds) const;

  // For files: the non-empty buckets in order, and the exact figures beside them.
  std::vector<bucket> buckets() const;
  static latency_histogram restored(const std::vector<bucket>& buckets, double sum,
                                    double sum_of_squares, double min, double max);
  double sum_of_squares() const { return sum_of_squares_; }

  // The bucket of a value, the value that stands for a bucket, and the bounds of one.
  static std::uint32_t index_of(double seconds);
  static double value_of(std::uint32_t index);
  static double lower_bound_of(std::uint32_t index);

 private:
  std::vector<std::uint64_t> counts_;  // [buckets from first_ on]
  std::uint32_t first_ = 0;
  std::uint64_t count_ = 0;
  double sum_ = 0, sum_of_squares_ = 0, min_ = 0, max_ = 0;

  std::uint64_t& at(std::uint32_t index);
};

}  // namespace troupe::load
