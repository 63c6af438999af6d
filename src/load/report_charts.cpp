#include "load/report_charts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::load {
namespace {

constexpr std::uint32_t max_points = 200;        // along the time
constexpr std::size_t distribution_points = 96;  // along the latency
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

using value_of_second = std::function<double(const second_point&)>;

struct column {
  std::string name;
  sampling how = sampling::mean;
  value_of_second of;
  // Beside the name: of the whole run; the mean or the greatest of its values if there is none.
  std::function<double(const run_record&)> whole;
  bool is_for_two = true;  // drawn also when there are two runs
};

std::uint32_t num_seconds(const run_record& run) {
  std::uint32_t count = 0;
  for (auto& point : run.series) count = std::max(count, point.second + 1);
  return count;
}

std::uint32_t common_step(std::span<const charted_run> runs) {
  std::uint32_t every = 1;
  for (auto& one : runs) every = std::max(every, seconds_per_point(*one.run, max_points));
  return every;
}

std::string figure_of(const chart& to, const column& what, const run_record& run,
                      std::uint32_t every, std::size_t count) {
  auto text = [&](double value) {
    return std::isfinite(value) && value >= 0 ? unit_text(to.what, value) + to.per : "–";
  };
  if (what.whole) return text(what.whole(run));
  double sum = 0, most = 0, known = 0;
  for (auto value : sampled(run, every, count, what.how, what.of)) {
    if (!std::isfinite(value)) continue;
    sum += value;
    known += 1;
    most = std::max(most, value);
  }
  if (known == 0) return "–";
  return what.how == sampling::mean ? "mean " + text(sum / known) : "most " + text(most);
}

std::vector<chart_mark> borders_of(const run_record& run) {
  std::vector<chart_mark> out;
  if (run.stages.size() > 1)
    for (auto& stage : run.stages) out.push_back({stage.start, stage.name});
  return out;
}

// Lines differ by colour and stroke within a run alone; of two, runs differ by colour.
class time_charts {
 public:
  explicit time_charts(std::span<const charted_run> runs) : runs_(runs), every_(common_step(runs)) {
    for (auto& one : runs) seconds_ = std::max(seconds_, num_seconds(*one.run));
  }

  chart& add(std::string id, std::string title, unit what, std::string per,
             const std::vector<column>& columns) {
    chart made;
    made.id = std::move(id);
    made.title = std::move(title);
    made.what = what;
    made.per = std::move(per);
    auto count = (seconds_ + every_ - 1) / every_;
    for (std::uint32_t i = 0; i < count; ++i) made.x.push_back(double{1} * i * every_);
    int run_colour = 2;
    for (auto& one : runs_) {
      int nth = 0;
      for (auto& column : columns) {
        if (runs_.size() > 1 && !column.is_for_two) continue;
        chart_line line;
        line.name = one.name.empty() ? column.name : one.name + " " + column.name;
        line.values = sampled(*one.run, every_, count, column.how, column.of);
        line.figure = figure_of(made, column, *one.run, every_, count);
        line.colour = runs_.size() > 1 ? run_colour : nth % 4 + 1;
        line.how = static_cast<stroke>(nth % 3);
        ++nth;
        made.lines.push_back(std::move(line));
      }
      run_colour = 1;
    }
    if (runs_.size() == 1) made.borders = borders_of(*runs_[0].run);
    charts.push_back(std::move(made));
    return charts.back();
  }

  // Percentiles of a latency, with the limits that were asked for.
  void add_latency(const std::string& id, std::string title, quantiles second_point::*of,
                   latency_histogram latencies::*whole) {
    auto one = [&](const char* name, double q, double quantiles::*which, sampling how) {
      return column{name, how, [of, which](const second_point& p) { return p.*of.*which; },
                    [whole, q](const run_record& run) {
                      auto& times = run.overall.times.*whole;
                      return times.count() > 0 ? times.quantile(q) : unknown;
                    }};
    };
    auto middle = one("p95", 0.95, &quantiles::p95, sampling::greatest);
    middle.is_for_two = false;
    auto& made = add(id, std::move(title), unit::seconds, "",
                     {one("p50", 0.5, &quantiles::p50, sampling::mean), middle,
                      one("p99", 0.99, &quantiles::p99, sampling::greatest)});
    for (auto& clause : runs_.back().run->slo)
      if (clause.clause.starts_with(id + "_"))
        made.limits.push_back({clause.wanted, clause.clause});
  }

  std::vector<chart> charts;

 private:
  std::span<const charted_run> runs_;
  std::uint32_t every_, seconds_ = 0;
};

template <class Integer>
value_of_second number(Integer second_point::*of) {
  return [of](const second_point& p) { return static_cast<double>(p.*of); };
}

value_of_second said(double server_sample::*of) {
  return [of](const second_point& p) { return p.server.*of; };
}

chart distribution(std::span<const charted_run> runs, std::string id, std::string title,
                   const std::vector<std::pair<const char*, latency_histogram latencies::*>>& of) {
  chart made;
  made.id = std::move(id);
  made.title = std::move(title);
  made.what = unit::share;
  made.along = x_axis::log_seconds;
  made.x_name = "Within";
  double least = 1e9, most = 0;
  for (auto& one : runs)
    for (auto& [name, which] : of) {
      auto& times = one.run->overall.times.*which;
      if (times.count() == 0) continue;
      least = std::min(least, std::max(times.min(), 1e-6));
      most = std::max(most, times.max());
    }
  if (most <= 0) return made;
  most = std::max(most, least * 1.05);
  for (std::size_t i = 0; i < distribution_points; ++i)
    made.x.push_back(least * std::pow(most / least, double(i) / (distribution_points - 1)));
  int run_colour = 2;
  for (auto& one : runs) {
    int nth = 0;
    for (auto& [name, which] : of) {
      auto& times = one.run->overall.times.*which;
      chart_line line;
      line.name = one.name.empty() ? name : one.name + " " + name;
      line.colour = runs.size() > 1 ? run_colour : nth + 1;
      line.how = static_cast<stroke>(nth++ % 3);
      if (times.count() == 0) continue;
      line.figure = "p99 " + unit_text(unit::seconds, times.quantile(0.99));
      for (auto x : made.x) line.values.push_back(times.share_below(x));
      // The last x is the greatest value but for rounding.
      if (times.max() >= made.x.back() * 0.999) line.values.back() = 1;
      made.lines.push_back(std::move(line));
    }
    run_colour = 1;
  }
  return made;
}

chart by_stage(
    const std::vector<const stage_result*>& stages, std::string id, std::string title, unit what,
    std::string per,
    const std::vector<std::pair<const char*, std::function<double(const stage_result&)>>>& lines) {
  chart made;
  made.id = std::move(id);
  made.title = std::move(title);
  made.what = what;
  made.per = std::move(per);
  made.along = x_axis::points;
  made.x_name = "Stage";
  for (auto* stage : stages) {
    made.x.push_back(static_cast<double>(made.x.size()));
    made.x_names.push_back(stage->name);
  }
  int nth = 0;
  for (auto& [name, of] : lines) {
    chart_line line{name, "", {}, nth % 4 + 1, static_cast<stroke>(nth % 3)};
    ++nth;
    double most = 0;
    for (auto* stage : stages) {
      line.values.push_back(of(*stage));
      if (line.values.back() > most) most = line.values.back();
    }
    line.figure = "most " + unit_text(what, most) + made.per;
    made.lines.push_back(std::move(line));
  }
  return made;
}

}  // namespace

std::uint32_t seconds_per_point(const run_record& run, std::uint32_t most) {
  auto least = std::max(1U, (num_seconds(run) + most - 1) / most);
  for (std::uint32_t round : {1U, 2U, 5U, 10U, 15U, 30U, 60U, 120U, 300U, 600U})
    if (round >= least) return round;
  return least;
}

std::vector<double> sampled(const run_record& run, std::uint32_t every, std::size_t count,
                            sampling how, const value_of_second& of) {
  std::vector<double> out(count, unknown);
  std::vector<std::uint32_t> known(count, 0);
  for (auto& point : run.series) {
    auto index = point.second / every;
    auto value = of(point);
    if (index >= count || !(value >= 0)) continue;
    auto& at = out[index];
    if (known[index]++ == 0) {
      at = value;
    } else {
      at = how == sampling::mean       ? at + value
           : how == sampling::greatest ? std::max(at, value)
                                       : value;
    }
  }
  if (how == sampling::mean)
    for (std::size_t i = 0; i < count; ++i)
      if (known[i] > 1) out[i] /= known[i];
  return out;
}

std::vector<chart> load_charts(std::span<const charted_run> runs) {
  using enum sampling;
  using point = second_point;
  time_charts all(runs);
  all.add("rate", "Requests per second", unit::count, "/s",
          {{"offered", mean, number(&point::due), {}},
           {"sent", mean, number(&point::sent), {}, false},
           {"succeeded", mean, number(&point::succeeded), {}}});
  all.add_latency("ttft", "Time to first token", &point::ttft, &latencies::ttft);
  all.add_latency("itl", "Time between tokens", &point::itl, &latencies::itl);
  all.add_latency("e2e", "Time of a whole answer", &point::e2e, &latencies::e2e);
  all.add("tokens", "Output tokens per second", unit::count, "/s",
          {{"tokens", mean, number(&point::output_tokens), {}}});
  bool has_users =
      std::ranges::any_of(runs[0].run->series, [](const point& p) { return p.users > 0; });
  std::vector<column> in_flight = {{"in flight", greatest, number(&point::in_flight), {}}};
  if (has_users) in_flight.push_back({"users", greatest, number(&point::users), {}});
  all.add("inflight", "Requests in flight", unit::count, "", in_flight);
  auto is_bad = [](const point& p) { return p.failed + p.rejected + p.aborted > 0; };
  auto has_bad = [&](const charted_run& one) {
    return std::ranges::any_of(one.run->series, is_bad);
  };
  if (std::ranges::any_of(runs, has_bad))
    all.add("bad", "Without an answer, per second", unit::count, "/s",
            {{"failed", mean, number(&point::failed), {}},
             {"rejected", mean, number(&point::rejected), {}},
             {"aborted", mean, number(&point::aborted), {}, false}});
  all.add("lag", "Send lag of the generator", unit::seconds, "",
          {{"p50", mean, [](const point& p) { return p.lag.p50; }, {}},
           {"p99", greatest, [](const point& p) { return p.lag.p99; }, {}}});
  return std::move(all.charts);
}

std::vector<chart> server_charts(std::span<const charted_run> runs) {
  using enum sampling;
  using server = server_sample;
  time_charts all(runs);
  all.add("kv", "KV cache in use", unit::share, "",
          {{"held by requests", greatest, said(&server::kv_use), {}}});
  all.add("queue", "Requests in the server", unit::count, "",
          {{"running", greatest, said(&server::running), {}},
           {"waiting", greatest, said(&server::waiting), {}}});
  all.add("load", "Load", unit::count, "", {{"load", greatest, said(&server::load), {}}});
  all.add("replicas", "Replicas", unit::count, "",
          {{"that serve", last, said(&server::replicas), {}}});
  all.add("memory", "Memory of the server", unit::bytes, "",
          {{"resident", greatest, said(&server::memory_bytes), {}}});
  return std::move(all.charts);
}

std::vector<chart> distribution_charts(std::span<const charted_run> runs) {
  if (runs.size() == 1)
    return {distribution(runs, "requests-cdf", "Requests: share within a time",
                         {{"first token", &latencies::ttft}, {"whole answer", &latencies::e2e}}),
            distribution(runs, "tokens-cdf", "Tokens: share within a time",
                         {{"between tokens", &latencies::itl},
                          {"mean of an answer", &latencies::tpot},
                          {"longest gap", &latencies::max_gap}})};
  return {
      distribution(runs, "ttft-cdf", "Time to first token: share within", {{"", &latencies::ttft}}),
      distribution(runs, "itl-cdf", "Time between tokens: share within", {{"", &latencies::itl}}),
      distribution(runs, "e2e-cdf", "Whole answer: share within", {{"", &latencies::e2e}})};
}

std::vector<chart> stage_charts(const run_record& run) {
  if (run.stages.size() < 2) return {};
  std::vector<const stage_result*> stages;
  for (auto& stage : run.stages) stages.push_back(&stage);
  // A sweep tries rates in the order of its search.
  if (run.where.plan == "sweep")
    std::ranges::stable_sort(stages, {}, [](const stage_result* s) { return s->offered_rate; });
  auto quantile = [](latency_histogram latencies::*of, double q) {
    return [of, q](const stage_result& stage) {
      auto& times = stage.times.*of;
      return times.count() > 0 ? times.quantile(q) : unknown;
    };
  };
  auto rate = [](double value) { return value > 0 ? value : unknown; };
  std::vector<std::pair<const char*, std::function<double(const stage_result&)>>> rates = {
      {"offered", [rate](const stage_result& s) { return rate(s.offered_rate); }},
      {"succeeded", [](const stage_result& s) { return s.request_throughput(); }}};
  if (run.overall.totals.good != run.overall.totals.succeeded)
    rates.emplace_back("good", [](const stage_result& s) { return s.goodput(); });
  return {
      by_stage(stages, "stage-ttft", "First token by stage", unit::seconds, "",
               {{"p50", quantile(&latencies::ttft, 0.5)},
                {"p95", quantile(&latencies::ttft, 0.95)},
                {"p99", quantile(&latencies::ttft, 0.99)}}),
      by_stage(stages, "stage-e2e", "Whole answer by stage", unit::seconds, "",
               {{"p50", quantile(&latencies::e2e, 0.5)},
                {"p95", quantile(&latencies::e2e, 0.95)},
                {"p99", quantile(&latencies::e2e, 0.99)}}),
      by_stage(stages, "stage-rate", "Requests per second by stage", unit::count, "/s", rates),
      by_stage(stages, "stage-tokens", "Output tokens per second by stage", unit::count, "/s",
               {{"tokens", [](const stage_result& s) { return s.output_throughput(); }}}),
  };
}

std::string sampling_note(std::span<const charted_run> runs) {
  auto every = common_step(runs);
  if (every == 1) return "Each point is one second; percentiles are of what ended in it.";
  return "Each point is " + std::to_string(every) +
         " seconds: rates and p50 are their mean, all else is the worst of their seconds.";
}

}  // namespace troupe::load
