// How long a step takes on this machine's CPU: a few shapes are measured with the real runner, and
// what lies between them follows.
//
//   rows     every row passes all layers: a table of rows, with straight lines between them
//   logits   the rows that choose a token pay for the LM head and the sampler: a table, too
//   reading  keys and values that a step reads, and for each row the positions that it attends to
#pragma once
#include <cstdint>
#include <vector>

#include "core/batch.hpp"
#include "core/config.hpp"
#include "model/runner.hpp"

namespace troupe::planning {

// Straight lines through points in rising order of x, and on beyond the last two; from the origin
// to the first one it stays as the first one is.
class curve {
 public:
  void add(double x, double y) { points_.push_back({x, y}); }
  double at(double x) const;

 private:
  struct point {
    double x = 0, y = 0;
  };
  std::vector<point> points_;
};

struct cpu_clock {
  curve rows;                       // seconds of a step of so many rows without logits
  curve logits;                     // seconds more, by rows that have some
  double seconds_per_read = 0;      // for each position that a chunk reads
  double seconds_per_attended = 0;  // for each position that each row of a chunk sees
  double time(const step_batch& batch) const;
};

// Which shapes are measured for a model with these limits; each is one step.
struct probe {
  std::uint32_t num_seqs = 1;
  std::uint32_t rows_each = 1;
  std::uint32_t context = 0;  // positions before the rows
  bool has_logits = false;
  std::uint32_t rows() const { return num_seqs * rows_each; }
};
std::vector<probe> choose_probes(const engine_limits& limits);
// The clock that answers what was measured, `seconds` in the order of the probes.
cpu_clock fit_clock(const std::vector<probe>& probes, const std::vector<double>& seconds);

// Median seconds of each probe on this machine, all of them in turns, so that what else it does
// meets all of them. The device has one rank, and at least the pages of the largest probe.
std::vector<double> measure(runner& device, const std::vector<probe>& probes,
                            const engine_limits& limits, std::uint32_t vocab_size);

}  // namespace troupe::planning
