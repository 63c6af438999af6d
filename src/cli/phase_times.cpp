#include "cli/phase_times.hpp"

#include <array>
#include <cstdio>

namespace troupe {
namespace {

std::string seconds(std::chrono::steady_clock::duration time) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.3f", std::chrono::duration<double>(time).count());
  return out.data();
}

}  // namespace

std::string phase_times::text() const {
  std::string out = seconds(last_ - start_) + " s:";
  for (const auto& [name, time] : phases_) {
    out += (&name == &phases_.front().first ? " " : ", ") + name + " " + seconds(time);
  }
  return out;
}

}  // namespace troupe
