// `troupe plan`: what hardware holds before anybody buys it.
#pragma once
#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "plan/scenario.hpp"

namespace troupe {

struct plan_options {
  planning::plan_request request;
  std::string claims;  // a file to compare with; empty: none
  bool on_cpu = false;
  std::vector<std::string> gpus;  // as they were typed
  std::string json;               // a file, "-" for `out`, or empty
  std::chrono::milliseconds ttft_slo{1000};
};

// 0: done, 1: could not be done, 2: the command is wrong. The reason is on `err`.
int run_plan(plan_options options, std::ostream& out, std::ostream& err);

}  // namespace troupe
