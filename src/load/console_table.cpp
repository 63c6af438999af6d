#include "load/console_table.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <vector>

namespace troupe::load {
namespace {

constexpr double mebibyte = 1024 * 1024;

[[gnu::format(printf, 2, 3)]] void print(std::string& out, const char* format, ...) {
  std::array<char, 512> text{};
  va_list values;
  va_start(values, format);
  std::vsnprintf(text.data(), text.size(), format, values);
  va_end(values);
  out += text.data();
}

unsigned long long count(std::uint64_t number) { return number; }

std::string memory_words(double bytes) {
  if (bytes < 0) return "-";
  std::string out;
  print(out, "%.0f MiB", bytes / mebibyte);
  return out;
}

std::string time_or_dash(const latency_histogram& times, double seconds) {
  return times.count() == 0 ? "-" : in_words(seconds);
}

void append_times(std::string& out, const char* name, const latency_histogram& t) {
  if (t.count() == 0) return;
  print(out, "  %-14s", name);
  for (double value :
       {t.mean(), t.quantile(0.5), t.quantile(0.9), t.quantile(0.95), t.quantile(0.99), t.max()})
    print(out, "%11s", in_words(value).c_str());
  print(out, "%11llu\n", count(t.count()));
}

void append_latencies(std::string& out, const latencies& times) {
  print(out, "\n  %-14s%11s%11s%11s%11s%11s%11s%11s\n", "of successes", "mean", "p50", "p90", "p95",
        "p99", "max", "count");
  append_times(out, "TTFT", times.ttft);
  append_times(out, "ITL", times.itl);
  append_times(out, "longest gap", times.max_gap);
  append_times(out, "TPOT", times.tpot);
  append_times(out, "end to end", times.e2e);
  append_times(out, "rejections", times.rejected_e2e);
  append_times(out, "failures", times.failed_e2e);
  append_times(out, "send lag", times.lag);
}

void append_totals(std::string& out, const stage_result& all) {
  auto& t = all.totals;
  print(out,
        "  requests      %llu due, %llu sent: %llu succeeded, %llu rejected, %llu failed, "
        "%llu aborted, %llu late\n",
        count(t.scheduled), count(t.sent), count(t.succeeded), count(t.rejected), count(t.failed),
        count(t.aborted), count(t.late));
  print(out, "  rates         %.2f requests/s, %.2f good/s, %.1f tokens/s out, over %.2f s\n",
        all.request_throughput(), all.goodput(), all.output_throughput(), all.seconds());
  print(out, "  tokens        %llu in (%llu cached), %llu out; bytes %llu sent, %llu received\n",
        count(t.prompt_tokens), count(t.cached_tokens), count(t.output_tokens), count(t.sent_bytes),
        count(t.received_bytes));
  for (auto& [kind, times] : t.rejections)
    print(out, "  rejected      %llu x %s\n", count(times), kind.c_str());
  for (auto& [kind, times] : t.failures)
    print(out, "  failed        %llu x %s\n", count(times), kind.c_str());
}

void append_stages(std::string& out, const run_record& run) {
  print(out, "  %-26s%10s%10s%9s%11s%11s%11s %s\n", "stage", "success", "rejected", "failed",
        "req/s", "e2e p50", "e2e p99", "");
  for (std::size_t i = 0; i < run.stages.size(); ++i) {
    auto& stage = run.stages[i];
    auto& e2e = stage.times.e2e;
    bool is_best = run.best_stage && *run.best_stage == i;
    print(out, "  %-26.26s%10llu%10llu%9llu%11.2f%11s%11s %s%s\n", stage.name.c_str(),
          count(stage.totals.succeeded), count(stage.totals.rejected), count(stage.totals.failed),
          stage.request_throughput(), time_or_dash(e2e, e2e.quantile(0.5)).c_str(),
          time_or_dash(e2e, e2e.quantile(0.99)).c_str(), stage.is_stable ? "" : "not stable",
          is_best ? "<- the one that counts" : "");
  }
  out += '\n';
}

void append_verdicts(std::string& out, const run_record& run) {
  auto& v = run.verified;
  if (v.num_canaries > 0)
    print(out, "  canaries      %llu asked, %llu with another answer than alone\n",
          count(v.num_canaries), count(v.num_mismatches));
  if (v.num_schema_answers > 0)
    print(out, "  schema        %llu answers, %llu against it\n", count(v.num_schema_answers),
          count(v.num_schema_errors));
  for (auto& example : v.examples) out += "    " + example + "\n";
  for (auto& one : run.slo)
    print(out, "  slo           %-24s %s (found %.4g)\n", one.clause.c_str(),
          one.is_met ? "met" : "MISSED", one.found);
  for (auto& warning : run.warnings) out += "  warning       " + warning + "\n";
  if (run.is_interrupted) out += "  interrupted   the run was ended early\n";
  out += "  verdict       ";
  out.append(to_string(run.verdict)).append("\n");
}

}  // namespace

std::string in_words(double seconds) {
  std::string out;
  auto [value, unit] = seconds < 1e-3  ? std::pair{seconds * 1e6, "us"}
                       : seconds < 1.0 ? std::pair{seconds * 1e3, "ms"}
                                       : std::pair{seconds, "s"};
  auto digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  print(out, "%.*f %s", digits, value, unit);
  return out;
}

std::string concurrency_table(const std::vector<stage_result>& stages) {
  std::string out;
  print(out, "  %11s  %10s  %10s  %10s  %s\n", "concurrency", "mean TTFT", "tokens/s", "memory",
        "stable");
  for (auto& stage : stages) {
    if (!stage.is_judged) continue;
    auto& ttft = stage.times.ttft;
    print(out, "  %11u  %10s  %10.1f  %10s  %s\n", stage.users,
          time_or_dash(ttft, ttft.mean()).c_str(), stage.output_throughput(),
          memory_words(stage.peak_memory_bytes).c_str(), stage.is_stable ? "yes" : "no");
  }
  return out;
}

std::string console_table(const run_record& run) {
  std::string out = "\n";
  if (run.where.plan == "concurrency") out += concurrency_table(run.stages) + "\n";
  if (run.stages.size() > 1) append_stages(out, run);
  append_totals(out, run.overall);
  append_latencies(out, run.overall.times);
  out += '\n';
  append_verdicts(out, run);
  return out;
}

}  // namespace troupe::load
