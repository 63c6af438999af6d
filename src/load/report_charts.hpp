// The charts of a report: of one run, or of two drawn over each other.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "load/run_record.hpp"
#include "load/svg_chart.hpp"

namespace troupe::load {

struct charted_run {
  const run_record* run = nullptr;
  std::string name;  // before the names of its lines; empty for a run alone
};

// How the seconds of a run become one point of a chart.
enum class sampling : std::uint8_t { mean, greatest, last };

// How many seconds each point stands for, so that a run has at most `max_points`; at least 1.
std::uint32_t seconds_per_point(const run_record& run, std::uint32_t max_points);
// One value for every `every` seconds, `count` of them; what is negative is not known, and a point
// of which nothing is known is NaN.
std::vector<double> sampled(const run_record& run, std::uint32_t every, std::size_t count,
                            sampling how, const std::function<double(const second_point&)>& of);

// Over time: rates, latencies, in flight, tokens, failures.
std::vector<chart> load_charts(std::span<const charted_run> runs);
// Over time: what the server said of itself.
std::vector<chart> server_charts(std::span<const charted_run> runs);
// Which share of the requests took at most so long.
std::vector<chart> distribution_charts(std::span<const charted_run> runs);
// Latencies and throughput by stage; none for a run of one.
std::vector<chart> stage_charts(const run_record& run);

// How points are made, in a sentence; empty when each is one second.
std::string sampling_note(std::span<const charted_run> runs);

}  // namespace troupe::load
