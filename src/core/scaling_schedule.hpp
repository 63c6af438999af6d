// How many replicas there may be at what time of the week: "Mon-Fri 08:00-20:00=2..5".
#pragma once
#include "core/outcome.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace troupe {

inline constexpr std::uint32_t minutes_per_day = 24 * 60;
inline constexpr std::uint32_t minutes_per_week = 7 * minutes_per_day;
inline constexpr std::uint32_t max_scheduled_replicas = 1024;

struct replica_bounds {
  std::uint32_t min_replicas = 1, max_replicas = 1;
  bool operator==(const replica_bounds&) const = default;
};

struct scaling_window {
  std::uint8_t days = 0;                         // bit 0: Monday, bit 6: Sunday
  std::uint32_t from_minute = 0, to_minute = 0;  // of the day, without the last: 0 .. 1440
  replica_bounds bounds;

  bool contains(std::uint32_t minute_of_week) const;
};

// DAYS FROM-TO=MIN..MAX. DAYS are Mon Tue Wed Thu Fri Sat Sun, ranges of them (Fri-Mon goes over
// the week's end) or both, with commas. FROM before TO, from 00:00 to 24:00: a night is two
// windows. At least one replica: nobody would hold the requests that come while there is none.
outcome<scaling_window> parse_scaling_window(std::string_view text);

// The first window that contains the minute (0: Monday 00:00) decides; outside of all, `otherwise`.
replica_bounds bounds_at(std::span<const scaling_window> schedule, std::uint32_t minute_of_week,
                         const replica_bounds& otherwise);

}  // namespace troupe
