// What one worker counts: by stage until the end, by second until it is collected.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "load/run_record.hpp"
#include "load/slo.hpp"

namespace troupe::load {

constexpr double late_after = 0.010;  // seconds from due to sent

struct stage_tally {
  request_totals totals;
  latencies times;
  double last_end = 0;
  // Latencies of successes that were due in the first and in the second half of the stage: where
  // the second are far longer, a backlog grows.
  double early_seconds = 0, later_seconds = 0;
  std::uint64_t num_early = 0, num_later = 0;
  verification verified;

  void count_sent(double lag);
  void count(const request_record& record, const std::vector<double>& gaps,
             const request_limits& limits, bool is_early);
  void merge(const stage_tally& other);
};

struct second_tally {
  std::uint64_t due = 0, sent = 0, succeeded = 0, rejected = 0, failed = 0, aborted = 0;
  std::uint64_t output_tokens = 0;
  failure_counts failures;
  latency_histogram ttft, itl, e2e, lag;

  void count(const request_record& record);
  void merge(const second_tally& other);
};

quantiles quantiles_of(const latency_histogram& times);
// `in_flight`, `users`, `stage` and the server's sample are left to whoever knows them.
second_point to_point(std::uint32_t second, const second_tally& tally);

// Whether the latencies of a stage did not grow from its first to its second half by more than half
// of themselves and 100 ms, and at least 99 % of what was answered is a success.
bool keeps_up(const stage_tally& tally);

}  // namespace troupe::load
