// How far a figure of a run may be off by chance: the figure again and again, of runs drawn from
// this one with replacement. The same seed draws the same.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "load/keyed_random.hpp"
#include "load/latency_histogram.hpp"

namespace troupe::load {

constexpr std::size_t num_replicates = 1000;

// The q-quantile of as many values drawn from a histogram, as if each value had nothing to do with
// the others. Exact: of n draws the k-th smallest stands at a share of Beta(k, n - k + 1).
std::vector<double> quantile_replicates(const latency_histogram& times, double q,
                                        keyed_random& random);
// Their mean, likewise: drawn one by one when they are few, else by the normal distribution that
// it then has.
std::vector<double> mean_replicates(const latency_histogram& times, keyed_random& random);

// Which seconds make up a drawn run: blocks that stay together, for what one second does to the
// next; each about the square root of the run long. `num_seconds` numbers below it.
std::vector<std::uint32_t> draw_blocks(std::uint32_t num_seconds, keyed_random& random);

// What lies between the 2.5 % and the 97.5 % quantile.
struct interval {
  double low = 0, high = 0;
  bool is_above(double value) const { return low > value; }
  bool is_below(double value) const { return high < value; }
};
interval middle_of(std::vector<double> replicates);

}  // namespace troupe::load
