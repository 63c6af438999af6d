// What a course means for whoever has to decide: the row of a table, whether it holds, what it
// costs.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/load.hpp"
#include "plan/virtual_house.hpp"

namespace troupe::planning {

struct plan_row {
  load_case what;
  double ttft_mean = 0, ttft_p50 = 0, ttft_p99 = 0;  // seconds to the first token
  double itl_mean = 0, itl_p99 = 0;                  // seconds from token to token
  double requests_per_second = 0;
  double output_per_second = 0;  // tokens
  double total_per_second = 0;   // tokens, prompts' included
  double kv_share = 0;           // most pages held at once, of the fullest replica
  std::uint64_t num_preemptions = 0;
  double busy_share = 0;
  bool is_stable = false;
  std::string why_not;     // in a few words; empty when it is
  bool keeps_slo = false;  // stable, and the first tokens are early enough
  std::optional<double> usd_per_million_output, usd_per_million_total;
};

struct verdict_rules {
  double ttft_slo_seconds = 1;         // of 99 in 100 first tokens
  std::optional<double> usd_per_hour;  // all devices together
};

// Stable: every request that began was answered, none was refused or timed out, at most one in ten
// was preempted, and first tokens did not come later and later: the last third of them at most half
// as late again as the first third, with 50 ms to spare.
plan_row judge(const house_course& course, const load_case& what, const verdict_rules& rules);

// The smallest number that is not below `share` of the others; 0 of none.
double percentile(std::vector<double> values, double share);

// Of one way to use the devices: its rows in the order of the load.
struct candidate {
  std::uint32_t num_devices = 0;
  std::string name;
  std::vector<plan_row> rows;
};
// The index of the smallest one that keeps the SLO in every row: fewest devices, then most tokens a
// second in the last row. None does: nothing.
std::optional<std::size_t> choose_smallest(std::span<const candidate> all);
// How many rows from the first on keep the SLO.
std::size_t count_kept(const candidate& one);

}  // namespace troupe::planning
