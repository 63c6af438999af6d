// Which stages a run has: known before it, or found on the way from what the stages before told.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "load/run_record.hpp"
#include "load/slo.hpp"

namespace troupe::load {

struct stage_plan {
  std::string name;
  load_kind kind = load_kind::open;
  double rate = 0;             // of open: requests/s
  std::uint32_t users = 0;     // of closed
  double spawn = 1;            // of closed: users that come per second
  bool has_think_time = true;  // of closed
  double duration = 0;         // seconds
  bool is_judged = true;
};

// Stages one right after the other.
struct segment {
  std::vector<stage_plan> stages;
  bool drains = true;  // the next segment begins when all requests of this one have ended
};

class load_plan {
 public:
  load_plan() = default;
  load_plan(const load_plan&) = delete;
  load_plan& operator=(const load_plan&) = delete;
  virtual ~load_plan() = default;
  // Nothing: the run is over. `so_far` has every stage of the segments before.
  virtual std::optional<segment> next(const std::vector<stage_result>& so_far) = 0;
  // The stage that was looked for, if one was: the one that is judged then.
  virtual std::optional<std::uint32_t> best(const std::vector<stage_result>&) const {
    return std::nullopt;
  }
};

enum class plan_kind : std::uint8_t {
  rate,         // one open stage
  users,        // one closed stage
  trace,        // one stage as long as its file
  seed,         // users in steps to the knee, then a long stage there
  concurrency,  // closed stages without think time, drained in between
  spike,        // 1x, factor x, 1x
  ramp,         // ten steps up to the load
  soak,         // ten stages of the same load
  sweep,        // the greatest rate within the SLO, by bisection
};

struct plan_options {
  plan_kind kind = plan_kind::rate;
  double rate = 0;  // > 0: open, else closed
  std::uint32_t users = 0;
  double spawn = 0;            // 0: all within a second
  double duration = 60;        // of the stages with the full load, together; of a trace: its length
  double warm_up = 0;          // seconds of the first stage's load that do not count
  double stage_duration = 30;  // of one stage of seed, concurrency and sweep, of each part of spike
  double knee_duration = 600;  // of seed's long stage
  std::uint32_t step_users = 50;
  std::uint32_t max_users = 1000;
  double max_rate = 10'000;  // of sweep
  double precision = 0.05;   // of sweep: upper / lower bound - 1
  double spike_factor = 8;
  std::vector<std::uint32_t> concurrency;
  std::vector<slo_clause> slo;
};

std::unique_ptr<load_plan> make_plan(const plan_options& options);

// The stage of the greatest power, throughput / mean latency: before it more load brings more
// answers, behind it only longer waiting. Nothing for no stages with successes.
std::optional<std::uint32_t> find_knee(const std::vector<stage_result>& stages);
double power_of(const stage_result& stage);

// Within the SLO if there is one; stable in any case, and at the rate that was asked for.
bool holds_up(const stage_result& stage, const std::vector<slo_clause>& slo);

}  // namespace troupe::load
