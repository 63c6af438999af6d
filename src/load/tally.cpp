#include "load/tally.hpp"

#include <algorithm>

namespace troupe::load {

void stage_tally::count_sent(double lag) {
  ++totals.sent;
  if (lag > late_after) ++totals.late;
  times.lag.observe(lag);
}

void stage_tally::count(const request_record& record, const std::vector<double>& gaps,
                        const request_limits& limits, bool is_early) {
  last_end = std::max(last_end, record.end);
  totals.sent_bytes += record.sent_bytes;
  totals.received_bytes += record.received_bytes;
  switch (record.outcome) {
    case request_end::aborted: ++totals.aborted; return;
    case request_end::rejected:
      ++totals.rejected;
      ++totals.rejections[record.failure];
      times.rejected_e2e.observe(record.e2e());
      return;
    case request_end::failed:
      ++totals.failed;
      ++totals.failures[record.failure];
      times.failed_e2e.observe(record.e2e());
      return;
    case request_end::success: break;
  }
  ++totals.succeeded;
  if (limits.are_kept(record)) ++totals.good;
  totals.prompt_tokens += record.prompt_tokens;
  totals.cached_tokens += record.cached_tokens;
  totals.output_tokens += record.output_tokens;
  times.e2e.observe(record.e2e());
  if (record.ttft >= 0) times.ttft.observe(record.ttft);
  if (record.tpot() >= 0) times.tpot.observe(record.tpot());
  if (record.max_gap >= 0) times.max_gap.observe(record.max_gap);
  for (auto gap : gaps) times.itl.observe(gap);
  (is_early ? early_seconds : later_seconds) += record.e2e();
  ++(is_early ? num_early : num_later);
}

void stage_tally::merge(const stage_tally& other) {
  totals.merge(other.totals);
  times.merge(other.times);
  last_end = std::max(last_end, other.last_end);
  early_seconds += other.early_seconds;
  later_seconds += other.later_seconds;
  num_early += other.num_early;
  num_later += other.num_later;
  verified.merge(other.verified);
}

void second_tally::count(const request_record& record) {
  switch (record.outcome) {
    case request_end::aborted: ++aborted; return;
    case request_end::rejected: ++rejected; return;
    case request_end::failed:
      ++failed;
      ++failures[record.failure];
      return;
    case request_end::success: break;
  }
  ++succeeded;
  // Pieces of a stream were counted as they came, one token each.
  if (record.output_tokens > record.num_pieces)
    output_tokens += record.output_tokens - record.num_pieces;
  e2e.observe(record.e2e());
  if (record.ttft >= 0) ttft.observe(record.ttft);
}

void second_tally::merge(const second_tally& other) {
  due += other.due;
  sent += other.sent;
  succeeded += other.succeeded;
  rejected += other.rejected;
  failed += other.failed;
  aborted += other.aborted;
  output_tokens += other.output_tokens;
  for (auto& [kind, times] : other.failures) failures[kind] += times;
  ttft.merge(other.ttft);
  itl.merge(other.itl);
  e2e.merge(other.e2e);
  lag.merge(other.lag);
}

quantiles quantiles_of(const latency_histogram& times) {
  if (times.count() == 0) return {};
  return {times.quantile(0.5), times.quantile(0.95), times.quantile(0.99)};
}

second_point to_point(std::uint32_t second, const second_tally& tally) {
  second_point out;
  out.second = second;
  out.due = tally.due;
  out.sent = tally.sent;
  out.succeeded = tally.succeeded;
  out.rejected = tally.rejected;
  out.failed = tally.failed;
  out.aborted = tally.aborted;
  out.failures = tally.failures;
  out.output_tokens = tally.output_tokens;
  out.ttft = quantiles_of(tally.ttft);
  out.itl = quantiles_of(tally.itl);
  out.e2e = quantiles_of(tally.e2e);
  out.lag = quantiles_of(tally.lag);
  return out;
}

bool keeps_up(const stage_tally& tally) {
  if (tally.totals.success_share() < 0.99) return false;
  if (tally.num_early == 0 || tally.num_later == 0) return tally.totals.succeeded > 0;
  auto early = tally.early_seconds / static_cast<double>(tally.num_early);
  auto later = tally.later_seconds / static_cast<double>(tally.num_later);
  return later <= 1.5 * early + 0.1;
}

}  // namespace troupe::load
