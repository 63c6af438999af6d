#include "load/run_record.hpp"

#include <algorithm>

namespace troupe::load {

std::string_view to_string(request_end end) {
  switch (end) {
    case request_end::success: return "success";
    case request_end::rejected: return "rejected";
    case request_end::failed: return "failed";
    case request_end::aborted: return "aborted";
  }
  return "";
}

std::string_view to_string(load_kind kind) {
  switch (kind) {
    case load_kind::open: return "open";
    case load_kind::closed: return "closed";
    case load_kind::trace: return "trace";
  }
  return "";
}

std::string_view to_string(run_verdict verdict) {
  switch (verdict) {
    case run_verdict::passed: return "passed";
    case run_verdict::generator_overloaded: return "generator overloaded";
    case run_verdict::slo_missed: return "slo missed";
    case run_verdict::target_down: return "target down";
  }
  return "";
}

double request_totals::success_share() const {
  auto answered = succeeded + rejected + failed;
  return answered == 0 ? 1 : static_cast<double>(succeeded) / static_cast<double>(answered);
}

void request_totals::merge(const request_totals& other) {
  scheduled += other.scheduled;
  sent += other.sent;
  succeeded += other.succeeded;
  rejected += other.rejected;
  failed += other.failed;
  aborted += other.aborted;
  late += other.late;
  good += other.good;
  prompt_tokens += other.prompt_tokens;
  cached_tokens += other.cached_tokens;
  output_tokens += other.output_tokens;
  sent_bytes += other.sent_bytes;
  received_bytes += other.received_bytes;
  for (auto& [kind, times] : other.failures) failures[kind] += times;
  for (auto& [kind, times] : other.rejections) rejections[kind] += times;
}

void latencies::merge(const latencies& other) {
  ttft.merge(other.ttft);
  itl.merge(other.itl);
  tpot.merge(other.tpot);
  e2e.merge(other.e2e);
  max_gap.merge(other.max_gap);
  rejected_e2e.merge(other.rejected_e2e);
  failed_e2e.merge(other.failed_e2e);
  lag.merge(other.lag);
}

void verification::merge(const verification& other) {
  num_canaries += other.num_canaries;
  num_mismatches += other.num_mismatches;
  num_schema_answers += other.num_schema_answers;
  num_schema_errors += other.num_schema_errors;
  examples.insert(examples.end(), other.examples.begin(), other.examples.end());
}

double stage_result::seconds() const { return std::max(duration, drained - start); }

double stage_result::request_throughput() const {
  return seconds() > 0 ? static_cast<double>(totals.succeeded) / seconds() : 0;
}

double stage_result::output_throughput() const {
  return seconds() > 0 ? static_cast<double>(totals.output_tokens) / seconds() : 0;
}

double stage_result::goodput() const {
  return seconds() > 0 ? static_cast<double>(totals.good) / seconds() : 0;
}

}  // namespace troupe::load
