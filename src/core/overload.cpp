#include "core/overload.hpp"

#include <array>
#include <string>

namespace troupe {

std::string_view to_string(overload_level level) {
  switch (level) {
    case overload_level::none: return "none";
    case overload_level::closing: return "closing";
    case overload_level::refusing: return "refusing";
    case overload_level::pausing: return "pausing";
  }
  return "none";
}

refusal check_marks(const overload_marks& marks) {
  auto refuse = [](std::string why, std::string flag) -> refusal {
    return failure{error_code::invalid_argument, std::move(why), std::move(flag)};
  };
  if (marks.closing < 1) return refuse("is below 1", "--overload-close-percent");
  if (marks.refusing < marks.closing)
    return refuse("is below --overload-close-percent (" + std::to_string(marks.closing) + ")",
                  "--overload-refuse-percent");
  if (marks.pausing < marks.refusing)
    return refuse("is below --overload-refuse-percent (" + std::to_string(marks.refusing) + ")",
                  "--overload-pause-percent");
  if (marks.pausing > 100) return refuse("is above 100", "--overload-pause-percent");
  return nothing{};
}

double share_of_limit(const memory_held& held, std::uint64_t limit_bytes) {
  if (limit_bytes == 0) return 0;
  return static_cast<double>(held.all()) / static_cast<double>(limit_bytes);
}

overload_level judge_overload(overload_level now, double share, const overload_marks& marks) {
  const std::array<std::uint32_t, num_overload_levels> begins{0, marks.closing, marks.refusing,
                                                              marks.pausing};
  auto judged = overload_level::none;
  for (std::size_t i = 1; i < num_overload_levels; ++i) {
    auto level = static_cast<overload_level>(i);
    const bool was_there = now >= level;
    const double mark = begins[i] - (was_there ? double{overload_slack} : 0.0);
    if (share * 100 > mark) judged = level;
  }
  return judged;
}

}  // namespace troupe
