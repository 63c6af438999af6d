#include "cli/load_log.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <sstream>

namespace troupe {

load_progress make_progress_log() {
  return [next = std::uint64_t{25}](std::uint64_t done, std::uint64_t all) mutable {
    const std::uint64_t percent = 100 * done / std::max<std::uint64_t>(all, 1);
    if (percent < next) return;
    spdlog::info("weights: {} % of {} MiB are on the GPUs", percent, all >> 20U);
    next = percent / 25 * 25 + 25;
  };
}

void log_lines(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) spdlog::info("{}", line);
}

}  // namespace troupe
