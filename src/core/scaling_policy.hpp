// How many replicas there should be: more when their load has been high for a while, fewer when it
// has been low for long. Whoever asks acts; time comes from outside.
#pragma once
#include "core/scaling_schedule.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct scaling_options {
  std::uint32_t min_replicas = 1, max_replicas = 1;
  double out_above = 0.70, in_below = 0.30;  // of the load (core/load.hpp)
  double in_carry = 0.60;                    // the load that those who stay may have at most
  std::chrono::milliseconds out_after{10'000}, in_after{180'000};
  std::vector<scaling_window> schedule;
  // What one look counts for at most: a load that nobody saw for longer was not there.
  std::chrono::milliseconds max_gap{5'000};
};

struct scaling_signs {
  std::chrono::steady_clock::time_point now{};
  std::uint32_t num_ready = 0, num_starting = 0, num_draining = 0;
  double load = 0;                   // mean of the ready ones: 0 idle, 1 full, not bounded above
  std::uint32_t minute_of_week = 0;  // of the wall clock; 0: Monday 00:00
};

struct scaling_decision {
  std::int32_t change = 0;  // replicas to start; negative: to drain, those that still start first
  std::string reason;       // one sentence with the numbers, also for no change
  std::uint32_t min_now = 1, max_now = 1;
};

// `num_ready + num_starting` is what is there: it never leaves min_now .. max_now by a decision,
// and what is outside of them, after a death or when the schedule changes, is put right at once.
//
// Out: the load, shared with those that are starting, has been above out_above for out_after. As
// many more as would bring it there, at most twice as many in all. While it stays above, with what
// is starting counted in, the next decision adds again: a spike gets all that it needs in seconds.
// In: the average load, over a sixth of in_after, has been below in_below for in_after; those that
// stay would carry less than in_carry; none is starting or draining. One at a time.
class scaling_policy {
 public:
  explicit scaling_policy(scaling_options options) : options_(std::move(options)) {}

  // To be asked about once a second, in the order of `now`.
  scaling_decision decide(const scaling_signs& signs);

 private:
  using clock = std::chrono::steady_clock;

  struct answer {
    std::int32_t change = 0;
    std::string reason;
  };
  void follow(double load, clock::duration passed);
  void note_time(const scaling_signs& signs, double shared_load);
  answer keep_bounds(std::uint32_t num, const replica_bounds& bounds) const;
  answer scale_out(const scaling_signs& signs, double load, const replica_bounds& bounds) const;
  answer scale_in(const scaling_signs& signs, const replica_bounds& bounds);

  scaling_options options_;
  clock::time_point last_look_{};
  bool has_looked_ = false;
  std::optional<double> average_load_;
  bool was_above_ = false, was_below_ = false;  // at the last look
  clock::duration above_{0}, below_{0};
};

}  // namespace troupe
