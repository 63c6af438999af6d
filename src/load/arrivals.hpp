// When requests are due in an open loop: a schedule that is made before the run, from its seed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"

namespace troupe::load {

// Gaps between arrivals are gamma distributed: `shape` 1 is a Poisson process, less is burstier
// (the variance of a gap is 1 / shape of its squared mean), infinite is a constant gap.
struct arrival_process {
  enum class kind : std::uint8_t { poisson, constant, gamma };
  kind how = kind::poisson;
  double shape = 1;  // of gamma
};

// "poisson", "constant", "gamma:SHAPE".
outcome<arrival_process> parse_arrival(std::string_view text);
std::string to_string(const arrival_process& process);

// Ascending times in [0, duration), in seconds. rate > 0: arrivals per second.
std::vector<double> arrival_times(const arrival_process& process, double rate, double duration,
                                  std::uint64_t seed);

}  // namespace troupe::load
