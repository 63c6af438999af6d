// What is asked of a run: "success>=99%,e2e_mean<1s,ttft_p99<500ms".
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "load/run_record.hpp"

namespace troupe::load {

enum class slo_subject : std::uint8_t {
  success,
  rejected,
  failed,              // shares of what was answered
  request_throughput,  // per second
  output_throughput,
  goodput,
  ttft,  // times
  itl,
  tpot,
  e2e,
  max_gap,
};

struct slo_clause {
  std::string text;  // as it was written
  slo_subject subject = slo_subject::success;
  bool is_mean = false;    // of times: the mean,
  double quantile = 1;     // or this one; 1: the greatest
  bool wants_less = true;  // < or <=, else > or >=
  bool or_equal = false;
  double wanted = 0;  // seconds, share (0 to 1) or rate
};

// Clauses with commas between. Times: ttft, itl, tpot, e2e, gap with _mean, _p50, _p90, _p95, _p99,
// _p99.9 or _max; shares: success, rejected, failed; rates: rps, tokens, goodput.
outcome<std::vector<slo_clause>> parse_slo(std::string_view text);

// The times that a clause is about; of one request negative where it has none.
const latency_histogram& times_of(slo_subject what, const latencies& all);
double time_of(slo_subject what, const request_record& record);

// A clause about times of which there is none (the first token of what is no stream) is not met.
slo_verdict judge(const slo_clause& clause, const stage_result& stage);
std::vector<slo_verdict> judge(const std::vector<slo_clause>& clauses, const stage_result& stage);
bool all_met(const std::vector<slo_verdict>& verdicts);

// Limits for one request, for goodput: "ttft<500ms,tpot<50ms,e2e<2s,gap<1s".
struct request_limits {
  std::vector<slo_clause> clauses;
  // A time that the request has not (the first token of what is no stream) is not within a limit.
  bool are_kept(const request_record& record) const;
};
outcome<request_limits> parse_goodput(std::string_view text);

}  // namespace troupe::load
