#include "load/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "load/html_text.hpp"
#include "load/values.hpp"

namespace troupe::load {
namespace {

using subject = slo_subject;

// Fewer say too little of themselves to be drawn from.
constexpr std::uint64_t least_values = 20;
constexpr std::uint32_t least_seconds = 5;
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

bool is_share(subject what) {
  return what == subject::success || what == subject::rejected || what == subject::failed;
}
bool is_rate(subject what) {
  return what == subject::request_throughput || what == subject::output_throughput ||
         what == subject::goodput;
}

// A name is a clause that asks for nothing.
outcome<slo_clause> figure_of(std::string_view name) {
  auto clauses = parse_slo(std::string(name).append("<0"));
  if (!clauses) return std::move(clauses).error();
  return clauses->front();
}

// The seconds of judged stages.
std::vector<second_point> judged_seconds(const run_record& run) {
  std::vector<second_point> out;
  for (auto& point : run.series)
    if (point.stage < run.stages.size() && run.stages[point.stage].is_judged) out.push_back(point);
  return out;
}

struct sums {
  double succeeded = 0, answered = 0, rejected = 0, failed = 0, tokens = 0;

  void add(const second_point& p) {
    succeeded += static_cast<double>(p.succeeded);
    rejected += static_cast<double>(p.rejected);
    failed += static_cast<double>(p.failed);
    answered += static_cast<double>(p.succeeded + p.rejected + p.failed);
    tokens += static_cast<double>(p.output_tokens);
  }
  double of(subject what) const {
    auto share = [this](double part) { return answered > 0 ? part / answered : unknown; };
    switch (what) {
      case subject::success: return share(succeeded);
      case subject::rejected: return share(rejected);
      case subject::failed: return share(failed);
      case subject::output_throughput: return tokens;
      default: return succeeded;
    }
  }
};

// Of rates and shares: what the seconds of the run say when others of them are drawn.
std::vector<double> replicates_of_seconds(const run_record& run, subject what, double found,
                                          keyed_random& random) {
  auto seconds = judged_seconds(run);
  if (seconds.size() < least_seconds) return {};
  sums all;
  for (auto& point : seconds) all.add(point);
  std::vector<double> out(num_replicates);
  for (auto& one : out) {
    sums drawn;
    for (auto index : draw_blocks(static_cast<std::uint32_t>(seconds.size()), random))
      drawn.add(seconds[index]);
    // Rates are those of the run, times how many more there are in the drawn one.
    one = is_share(what)      ? drawn.of(what)
          : all.of(what) == 0 ? found
                              : found * drawn.of(what) / all.of(what);
  }
  return out;
}

// The requests of a ledger by the second in which they were due.
std::vector<std::vector<double>> by_second(const compared_run& run, subject what) {
  std::vector<std::vector<double>> out;
  for (auto& one : run.ledger) {
    auto value = time_of(what, one);
    auto& stages = run.run.stages;
    if (value < 0 || one.stage >= stages.size() || !stages[one.stage].is_judged) continue;
    auto second = static_cast<std::size_t>(std::clamp(one.due, 0.0, 1e7));
    if (second >= out.size()) out.resize(second + 1);
    out[second].push_back(value);
  }
  std::erase_if(out, [](auto& values) { return values.empty(); });
  return out;
}

std::vector<double> replicates_of_ledger(const compared_run& run, const slo_clause& what,
                                         keyed_random& random) {
  auto seconds = by_second(run, what.subject);
  if (seconds.size() < least_seconds) return {};
  std::vector<double> out(num_replicates), drawn;
  for (auto& one : out) {
    drawn.clear();
    for (auto index : draw_blocks(static_cast<std::uint32_t>(seconds.size()), random))
      drawn.insert(drawn.end(), seconds[index].begin(), seconds[index].end());
    if (what.is_mean) {
      double sum = 0;
      for (auto value : drawn) sum += value;
      one = sum / static_cast<double>(drawn.size());
      continue;
    }
    auto rank = std::ceil(what.quantile * static_cast<double>(drawn.size()));
    auto nth = drawn.begin() + static_cast<std::ptrdiff_t>(std::max(0.0, rank - 1));
    std::ranges::nth_element(drawn, nth);
    one = *nth;
  }
  return out;
}

std::vector<double> replicates_of(const compared_run& run, const slo_clause& what, double found,
                                  keyed_random random) {
  if (is_share(what.subject) || is_rate(what.subject))
    return replicates_of_seconds(run.run, what.subject, found, random);
  auto& times = times_of(what.subject, run.run.overall.times);
  if (times.count() < least_values) return {};
  // The ledger has no gaps but the longest.
  if (!run.ledger.empty() && what.subject != subject::itl)
    return replicates_of_ledger(run, what, random);
  return what.is_mean ? mean_replicates(times, random)
                      : quantile_replicates(times, what.quantile, random);
}

double change_of(subject what, double a, double b) {
  if (is_share(what)) return b - a;
  if (a == b) return 0;
  return a == 0 ? std::numeric_limits<double>::infinity() : (b - a) / a;
}

change_verdict verdict_of(const compared_figure& figure) {
  // Of how much worse it is.
  auto& change = figure.by_chance;
  auto low = figure.less_is_better() ? change.low : -change.high;
  auto high = figure.less_is_better() ? change.high : -change.low;
  bool is_too_much = figure.most && figure.worsening() > *figure.most;
  if (low > 0) return is_too_much ? change_verdict::regression : change_verdict::worse;
  if (is_too_much) return change_verdict::unclear;
  return high < 0 ? change_verdict::better : change_verdict::same;
}

compared_figure compare_figure(const compared_run& a, const compared_run& b,
                               const std::string& name, const slo_clause& what,
                               std::uint64_t seed) {
  compared_figure out;
  out.name = name;
  out.what = what;
  out.a = judge(what, a.run.overall).found;
  out.b = judge(what, b.run.overall).found;
  out.change = change_of(what.subject, out.a, out.b);
  // Each figure has numbers of its own, whichever others there are.
  std::uint64_t key = 0;
  for (char c : name) key = key * 31 + static_cast<unsigned char>(c);
  auto before = replicates_of(a, what, out.a, keyed_random(seed, key));
  auto after = replicates_of(b, what, out.b, keyed_random(seed + 1, key));
  std::vector<double> changes(std::min(before.size(), after.size()));
  for (std::size_t i = 0; i < changes.size(); ++i)
    changes[i] = change_of(what.subject, before[i], after[i]);
  out.by_chance = middle_of(std::move(changes));
  return out;
}

bool is_known(const compared_run& run, subject what) {
  return is_share(what) || is_rate(what) || times_of(what, run.run.overall.times).count() > 0;
}

std::vector<std::string> usual_figures(const run_record& a, const run_record& b) {
  std::vector<std::string> out = {"success", "rps", "tokens"};
  auto has_limits = [](const run_record& run) {
    return run.overall.totals.good != run.overall.totals.succeeded;
  };
  if (has_limits(a) || has_limits(b)) out.emplace_back("goodput");
  for (auto* time : {"ttft", "itl", "tpot", "e2e", "gap"})
    for (auto* stat : {"mean", "p50", "p95", "p99"})
      out.emplace_back(time).append("_").append(stat);
  return out;
}

// The load of judged stages; a sweep finds its own.
std::string load_of(const run_record& run) {
  std::string out;
  for (auto& stage : run.stages) {
    if (!stage.is_judged) continue;
    if (!out.empty()) out += ", ";
    out += stage.kind == load_kind::closed ? std::to_string(stage.users) + " users"
           : stage.kind == load_kind::open ? unit_text(unit::count, stage.offered_rate) + "/s"
                                           : std::string(to_string(stage.kind));
  }
  return out;
}

void note_difference(std::vector<std::string>& out, const std::string& what, const std::string& a,
                     const std::string& b) {
  if (a == b) return;
  auto shown = [](const std::string& text) { return text.empty() ? "none" : text.c_str(); };
  out.emplace_back(what).append(": A has ").append(shown(a)).append(", B has ").append(shown(b));
}

}  // namespace

std::string_view to_string(change_verdict verdict) {
  switch (verdict) {
    case change_verdict::same: return "same";
    case change_verdict::better: return "better";
    case change_verdict::worse: return "worse";
    case change_verdict::regression: return "regression";
    case change_verdict::unclear: return "unclear";
  }
  return "";
}

outcome<std::vector<allowed_change>> parse_allowed_changes(std::string_view text) {
  std::vector<allowed_change> out;
  for (auto part : split(text, ',')) {
    auto sign = part.find('=');
    auto value = sign == part.npos ? std::string_view{} : part.substr(sign + 1);
    bool is_percent = value.ends_with('%');
    if (is_percent) value.remove_suffix(1);
    auto number = parse_number(value);
    if (!number || *number < 0 || *number > 1e6)
      return failure{
          error_code::invalid_argument,
          std::string("'").append(part).append("': expected a figure and a share, as ttft_p99=5%"),
          "max-regress"};
    auto name = part.substr(0, sign);
    auto what = figure_of(name);
    if (!what) return std::move(what).error();
    out.push_back({*std::move(what), std::string(name), is_percent ? *number / 100 : *number});
  }
  return out;
}

bool compared_figure::is_share() const { return load::is_share(what.subject); }
bool compared_figure::is_time() const { return !is_share() && !is_rate(what.subject); }
bool compared_figure::less_is_better() const {
  return is_time() || what.subject == subject::rejected || what.subject == subject::failed;
}

bool comparison::is_regression() const {
  return std::ranges::any_of(figures,
                             [](auto& one) { return one.verdict == change_verdict::regression; });
}

std::vector<std::string> obstacles(const run_record& a, const run_record& b) {
  std::vector<std::string> out;
  note_difference(out, "plan", a.where.plan, b.where.plan);
  note_difference(out, "API", a.where.api, b.where.api);
  note_difference(out, "answers", a.where.is_stream ? "streams" : "whole answers",
                  b.where.is_stream ? "streams" : "whole answers");
  note_difference(out, "arrivals", a.where.arrival, b.where.arrival);
  note_difference(out, "prompts", a.where.prompts, b.where.prompts);
  if (a.where.plan != "sweep") note_difference(out, "load", load_of(a), load_of(b));
  for (auto* run : {&a, &b})
    if (run->overall.totals.succeeded == 0)
      out.emplace_back(run == &a ? "A has no successful request" : "B has no successful request");
  return out;
}

comparison compare(const compared_run& a, const compared_run& b,
                   const std::vector<allowed_change>& allowed, std::uint64_t seed) {
  comparison out;
  auto& from = a.run.where;
  auto& to = b.run.where;
  note_difference(out.differences, "model", from.model, to.model);
  note_difference(out.differences, "server", from.server, to.server);
  note_difference(out.differences, "client", from.client, to.client);
  note_difference(out.differences, "machine of the client", from.machine, to.machine);
  note_difference(out.differences, "seed", std::to_string(from.seed), std::to_string(to.seed));
  for (auto* run : {&a.run, &b.run})
    for (auto why : {run_verdict::generator_overloaded, run_verdict::target_down})
      if (run->verdict == why)
        out.differences.emplace_back(run == &a.run ? "A ended with: " : "B ended with: ")
            .append(to_string(why));
  out.has_ledgers = !a.ledger.empty() && !b.ledger.empty();
  auto names = usual_figures(a.run, b.run);
  for (auto& one : allowed)
    if (std::ranges::find(names, one.name) == names.end()) names.push_back(one.name);
  for (auto& name : names) {
    auto what = figure_of(name);
    if (!what || !is_known(a, what->subject) || !is_known(b, what->subject)) continue;
    auto figure = compare_figure(a, b, name, *what, seed);
    for (auto& one : allowed)
      if (one.name == name) figure.most = one.most;
    figure.verdict = verdict_of(figure);
    out.figures.push_back(std::move(figure));
  }
  return out;
}

}  // namespace troupe::load
