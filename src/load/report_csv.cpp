#include "load/report_csv.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "load/request_form.hpp"

namespace troupe::load {
namespace {

struct column {
  const char* name;
  double q;
};
// Locust's.
constexpr std::array<column, 11> percentiles = {{{"50%", 0.5},
                                                 {"66%", 0.66},
                                                 {"75%", 0.75},
                                                 {"80%", 0.8},
                                                 {"90%", 0.9},
                                                 {"95%", 0.95},
                                                 {"98%", 0.98},
                                                 {"99%", 0.99},
                                                 {"99.9%", 0.999},
                                                 {"99.99%", 0.9999},
                                                 {"100%", 1}}};

void append(std::string& out, double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  out.append(",").append(text.data());
}

void append(std::string& out, std::uint64_t value) {
  out.append(",").append(std::to_string(value));
}

// As RFC 4180 has it.
std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string out = "\"";
  for (char c : text) out.append(c == '"' ? 2 : 1, c);
  out += '"';
  return out;
}

// Of a second three percentiles are kept; Locust, too, writes N/A for what it does not know.
void append_known(std::string& out, const quantiles& times, double q) {
  auto seconds = q == 0.5 ? times.p50 : q == 0.95 ? times.p95 : q == 0.99 ? times.p99 : -1;
  if (seconds < 0) {
    out += ",N/A";
  } else {
    append(out, seconds * 1e3);
  }
}

std::string path_of_run(const environment& where) {
  for (auto api : {api_kind::generate, api_kind::completions, api_kind::chat})
    if (to_string(api) == where.api) return std::string(path_of(api));
  return where.api;
}

void append_stats_row(std::string& out, std::string_view type, std::string_view name,
                      const stage_result& all) {
  auto& t = all.totals;
  auto& e2e = all.times.e2e;
  out.append(type).append(",").append(csv_field(name));
  append(out, t.ended());
  append(out, t.failed);
  for (double seconds : {e2e.quantile(0.5), e2e.mean(), e2e.min(), e2e.max()})
    append(out, seconds * 1e3);
  auto ended = static_cast<double>(t.ended());
  append(out, t.ended() == 0 ? 0 : static_cast<double>(t.received_bytes) / ended);
  append(out, all.seconds() > 0 ? ended / all.seconds() : 0);
  append(out, all.seconds() > 0 ? static_cast<double>(t.failed) / all.seconds() : 0);
  for (auto& one : percentiles) append(out, e2e.quantile(one.q) * 1e3);
  append(out, t.rejected);
  out += "\n";
}

// Seconds since 1970 of "2026-11-22T09:30:00Z".
std::int64_t epoch_of(const std::string& text) {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d", &year, &month, &day, &hour, &minute,
                  &second) != 6)
    return 0;
  auto date = std::chrono::year(year) / month / day;
  return std::chrono::sys_days(date).time_since_epoch().count() * 86400 + hour * 3600 +
         minute * 60 + second;
}

}  // namespace

std::string stats_csv(const run_record& run) {
  std::string out =
      "Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min "
      "Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s";
  for (auto& one : percentiles) out.append(",").append(one.name);
  out += ",Rejected Count\n";
  append_stats_row(out, "POST", path_of_run(run.where), run.overall);
  append_stats_row(out, "", "Aggregated", run.overall);
  return out;
}

std::string stats_history_csv(const run_record& run) {
  std::string out = "Timestamp,User Count,Type,Name,Requests/s,Failures/s";
  for (auto& one : percentiles) out.append(",").append(one.name);
  out +=
      ",Total Request Count,Total Failure Count,Total Rejected Count,Due/s,Rejections/s,In "
      "Flight,Tokens/s\n";
  auto start = epoch_of(run.where.started_at);
  std::uint64_t ended = 0, failed = 0, rejected = 0;
  for (auto& p : run.series) {
    auto now = p.succeeded + p.rejected + p.failed + p.aborted;
    ended += now;
    failed += p.failed;
    rejected += p.rejected;
    out += std::to_string(start + p.second + 1);
    append(out, std::uint64_t{p.users});
    out += ",,Aggregated";
    append(out, now);
    append(out, p.failed);
    for (auto& one : percentiles) append_known(out, p.e2e, one.q);
    for (auto number : {ended, failed, rejected, p.due, p.rejected, p.in_flight, p.output_tokens})
      append(out, number);
    out += "\n";
  }
  return out;
}

std::string failures_csv(const run_record& run) {
  std::string out = "Method,Name,Error,Occurrences\n";
  auto name = path_of_run(run.where);
  auto rows = [&](const failure_counts& counts, std::string_view what) {
    for (auto& [kind, times] : counts) {
      out.append("POST,").append(csv_field(name)).append(",");
      out.append(csv_field(std::string(what) + kind));
      append(out, times);
      out += "\n";
    }
  };
  rows(run.overall.totals.failures, "");
  rows(run.overall.totals.rejections, "rejected: ");
  return out;
}

refusal write_csv(const std::string& prefix, const run_record& run) {
  auto write = [&](const char* ending, const std::string& text) {
    std::ofstream file(prefix + ending, std::ios::binary);
    file << text << std::flush;
    return file.good();
  };
  if (write("_stats.csv", stats_csv(run)) && write("_stats_history.csv", stats_history_csv(run)) &&
      write("_failures.csv", failures_csv(run)))
    return nothing{};
  return failure{error_code::io_error, "cannot write " + prefix + "_*.csv", "csv"};
}

}  // namespace troupe::load
