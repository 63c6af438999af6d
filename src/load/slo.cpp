#include "load/slo.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "load/values.hpp"

namespace troupe::load {
namespace {

using subject = slo_subject;

constexpr std::array<std::pair<std::string_view, subject>, 5> times = {{{"ttft", subject::ttft},
                                                                        {"itl", subject::itl},
                                                                        {"tpot", subject::tpot},
                                                                        {"e2e", subject::e2e},
                                                                        {"gap", subject::max_gap}}};
constexpr std::array<std::pair<std::string_view, subject>, 3> shares = {
    {{"success", subject::success}, {"rejected", subject::rejected}, {"failed", subject::failed}}};
constexpr std::array<std::pair<std::string_view, subject>, 3> rates = {
    {{"rps", subject::request_throughput},
     {"tokens", subject::output_throughput},
     {"goodput", subject::goodput}}};
constexpr std::array<std::pair<std::string_view, double>, 6> stats = {
    {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}}};

template <class Table>
auto look_up(const Table& table, std::string_view name) {
  auto found = std::find_if(table.begin(), table.end(),
                            [name](const auto& entry) { return entry.first == name; });
  return found == table.end() ? nullptr : &found->second;
}

failure wrong(std::string_view clause, std::string_view expected) {
  failure out;
  out.message.append("'").append(clause).append("': expected ").append(expected);
  return out;
}

// Splits "e2e_p99<=2s" and reads its comparison; answers the name.
outcome<std::string_view> read_comparison(std::string_view text, slo_clause& out,
                                          std::string_view& value) {
  auto sign = text.find_first_of("<>");
  if (sign == std::string_view::npos || sign == 0)
    return wrong(text, "a name, <, <=, > or >=, and a value, as in e2e_p99<2s");
  out.text = text;
  out.wants_less = text[sign] == '<';
  value = text.substr(sign + 1);
  out.or_equal = value.starts_with('=');
  if (out.or_equal) value.remove_prefix(1);
  return text.substr(0, sign);
}

refusal read_time_value(std::string_view value, slo_clause& out) {
  auto seconds = parse_seconds(value);
  if (!seconds) return wrong(out.text, "a time such as 500ms or 2s");
  out.wanted = *seconds;
  return nothing{};
}

refusal read_share(std::string_view value, slo_clause& out) {
  bool is_percent = value.ends_with('%');
  if (is_percent) value.remove_suffix(1);
  auto number = parse_number(value);
  if (number && is_percent) *number /= 100;
  if (!number || *number < 0 || *number > 1) return wrong(out.text, "a share such as 99% or 0.99");
  out.wanted = *number;
  return nothing{};
}

outcome<slo_clause> parse_clause(std::string_view text) {
  slo_clause out;
  std::string_view value;
  auto name = read_comparison(text, out, value);
  if (!name) return std::move(name).error();
  if (const auto* share = look_up(shares, *name)) {
    out.subject = *share;
    if (auto read = read_share(value, out); !read) return std::move(read).error();
    return out;
  }
  if (const auto* rate = look_up(rates, *name)) {
    out.subject = *rate;
    auto number = parse_number(value);
    if (!number || *number < 0) return wrong(text, "a rate per second");
    out.wanted = *number;
    return out;
  }
  auto bar = name->rfind('_');
  const auto* time = look_up(times, name->substr(0, bar));
  auto stat = bar == std::string_view::npos ? std::string_view{} : name->substr(bar + 1);
  const auto* quantile = look_up(stats, stat);
  if (time == nullptr || (quantile == nullptr && stat != "mean"))
    return wrong(text,
                 "ttft, itl, tpot, e2e or gap with _mean, _p50, _p90, _p95, _p99, _p99.9 or _max; "
                 "success, rejected or failed; rps, tokens or goodput");
  out.subject = *time;
  out.is_mean = quantile == nullptr;
  if (quantile != nullptr) out.quantile = *quantile;
  if (auto read = read_time_value(value, out); !read) return std::move(read).error();
  return out;
}

bool holds(const slo_clause& clause, double found) {
  if (clause.or_equal && found == clause.wanted) return true;
  return clause.wants_less ? found < clause.wanted : found > clause.wanted;
}

double share_of(std::uint64_t part, const request_totals& all) {
  auto answered = all.succeeded + all.rejected + all.failed;
  return answered == 0 ? 0 : static_cast<double>(part) / static_cast<double>(answered);
}

}  // namespace

const latency_histogram& times_of(subject what, const latencies& all) {
  switch (what) {
    case subject::ttft: return all.ttft;
    case subject::itl: return all.itl;
    case subject::tpot: return all.tpot;
    case subject::max_gap: return all.max_gap;
    default: return all.e2e;
  }
}

double time_of(subject what, const request_record& record) {
  switch (what) {
    case subject::ttft: return record.ttft;
    case subject::tpot: return record.tpot();
    case subject::max_gap: return record.max_gap;
    default: return record.e2e();
  }
}

outcome<std::vector<slo_clause>> parse_slo(std::string_view text) {
  std::vector<slo_clause> out;
  for (auto part : split(text, ',')) {
    auto clause = parse_clause(part);
    if (!clause) return std::move(clause).error();
    out.push_back(*std::move(clause));
  }
  return out;
}

slo_verdict judge(const slo_clause& clause, const stage_result& stage) {
  slo_verdict out{clause.text, clause.wanted, 0, false};
  switch (clause.subject) {
    case subject::success: out.found = stage.totals.success_share(); break;
    case subject::rejected: out.found = share_of(stage.totals.rejected, stage.totals); break;
    case subject::failed: out.found = share_of(stage.totals.failed, stage.totals); break;
    case subject::request_throughput: out.found = stage.request_throughput(); break;
    case subject::output_throughput: out.found = stage.output_throughput(); break;
    case subject::goodput: out.found = stage.goodput(); break;
    default: {
      auto& values = times_of(clause.subject, stage.times);
      if (values.count() == 0) return out;
      out.found = clause.is_mean ? values.mean() : values.quantile(clause.quantile);
    }
  }
  out.is_met = holds(clause, out.found);
  return out;
}

std::vector<slo_verdict> judge(const std::vector<slo_clause>& clauses, const stage_result& stage) {
  std::vector<slo_verdict> out;
  for (auto& clause : clauses) out.push_back(judge(clause, stage));
  return out;
}

bool all_met(const std::vector<slo_verdict>& verdicts) {
  return std::all_of(verdicts.begin(), verdicts.end(), [](auto& one) { return one.is_met; });
}

outcome<request_limits> parse_goodput(std::string_view text) {
  request_limits out;
  for (auto part : split(text, ',')) {
    slo_clause clause;
    std::string_view value;
    auto name = read_comparison(part, clause, value);
    if (!name) return std::move(name).error();
    const auto* time = look_up(times, *name);
    if (time == nullptr || *time == subject::itl || !clause.wants_less)
      return wrong(part, "ttft, tpot, e2e or gap, < or <=, and a time");
    clause.subject = *time;
    if (auto read = read_time_value(value, clause); !read) return std::move(read).error();
    out.clauses.push_back(std::move(clause));
  }
  return out;
}

bool request_limits::are_kept(const request_record& record) const {
  return std::all_of(clauses.begin(), clauses.end(), [&](auto& clause) {
    auto found = time_of(clause.subject, record);
    // One token has no time between tokens: nothing to be too long.
    bool is_absent = found < 0;
    if (is_absent && clause.subject != subject::ttft && record.output_tokens < 2) return true;
    return !is_absent && holds(clause, found);
  });
}

}  // namespace troupe::load
