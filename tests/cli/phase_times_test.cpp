#include "cli/phase_times.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

TEST_CASE("phases follow each other and add up") {
  const phase_times::clock::time_point start{};
  phase_times phases(start);
  phases.end("plan", start + 100ms);
  phases.end("weights", start + 412ms);
  CHECK(phases.text() == "0.412 s: plan 0.100, weights 0.312");
}
