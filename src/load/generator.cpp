#include "load/generator.hpp"

#include <algorithm>
#include <limits>
#include <thread>

namespace troupe::load {
namespace {

constexpr double lead = 0.05;        // seconds from a schedule that is made to its first request
constexpr double look_every = 0.02;  // seconds between two looks at what the workers do
constexpr double settle = 0.1;       // after a second is over, before it is told

}  // namespace

generator::generator(const load_setup& setup, generator_options options, const server_watch* watch,
                     second_observer on_second)
    : setup_(setup),
      options_(std::move(options)),
      watch_(watch),
      on_second_(std::move(on_second)),
      budget_(options_.max_requests > 0 ? static_cast<std::int64_t>(options_.max_requests)
                                        : std::numeric_limits<std::int64_t>::max()),
      clock_(run_clock::steady::now()) {
  for (std::uint32_t i = 0; i < options_.num_workers; ++i)
    workers_.push_back(std::make_unique<worker>(setup_, clock_, i, options_.num_workers, budget_));
}

generator::~generator() = default;

void generator::run(load_plan& plan, run_record& out) {
  while (!is_interrupted_) {
    auto next = plan.next(results());
    if (!next) break;
    run_segment(*next);
  }
  for (auto& one : workers_) one->end_schedules();
  drain();
  collect(true);
  conclude(plan, out);
}

void generator::run_segment(const segment& what) {
  auto first = static_cast<std::uint32_t>(stages_.size());
  // Schedules are made before the first of them begins.
  std::vector<std::vector<double>> due;
  for (auto& plan : what.stages) {
    stages_.push_back({plan, 0});
    due.push_back(due_times(plan));
  }
  peak_memory_.resize(stages_.size(), -1);
  auto start = segment_end_ >= 0 ? segment_end_ : clock_.now() + lead;
  for (std::size_t i = 0; i < what.stages.size(); ++i) {
    auto index = first + static_cast<std::uint32_t>(i);
    stages_[index].start = start;
    start += what.stages[i].duration;
    deal_out(index, due[i]);
  }
  for (auto index = first; index < stages_.size() && !is_interrupted_; ++index) {
    auto& stage = stages_[index];
    wait_until(stage.start);
    bool is_closed = stage.plan.kind == load_kind::closed;
    keep_users(index, is_closed ? stage.plan.users : 0);
    wait_until(stage.start + stage.plan.duration);
  }
  segment_end_ = start;
  if (!what.drains || is_interrupted_) return;
  keep_users(static_cast<std::uint32_t>(stages_.size() - 1), 0);
  drain();
  segment_end_ = -1;
}

std::vector<double> generator::due_times(const stage_plan& plan) const {
  if (plan.kind == load_kind::closed) return {};
  std::vector<double> out;
  if (plan.kind == load_kind::open) {
    out = arrival_times(options_.arrival, plan.rate, plan.duration,
                        setup_.seed + 0x9E37U * stages_.size());
  } else {
    for (auto& row : *options_.trace) out.push_back(row.time / options_.speed);
  }
  if (options_.max_requests > 0) {
    auto left = options_.max_requests - std::min(options_.max_requests, next_number_);
    out.resize(std::min<std::uint64_t>(out.size(), left));
  }
  return out;
}

void generator::deal_out(std::uint32_t index, const std::vector<double>& due) {
  auto& stage = stages_[index];
  auto num_workers = workers_.size();
  std::vector<std::vector<double>> times(num_workers);
  std::vector<std::vector<std::uint64_t>> keys(num_workers);
  for (std::size_t i = 0; i < due.size(); ++i) {
    times[i % num_workers].push_back(stage.start + due[i]);
    keys[i % num_workers].push_back(next_number_++);
  }
  for (std::size_t i = 0; i < num_workers; ++i)
    if (!times[i].empty())
      workers_[i]->follow({index, stage.start, stage.plan.duration}, std::move(times[i]),
                          std::move(keys[i]));
}

void generator::keep_users(std::uint32_t index, std::uint32_t count) {
  auto& stage = stages_[index];
  for (auto& one : workers_)
    one->keep_users({index, stage.start, stage.plan.duration},
                    {count, stage.plan.spawn, stage.plan.has_think_time});
}

// Until then, or until there is nothing left to do: a budget that is used up ends a run early.
void generator::wait_until(double time) {
  while (!is_interrupted_ && clock_.now() < time) {
    if (are_requests_used_up() && is_idle()) return;
    collect(false);
    auto rest = std::min(time - clock_.now(), look_every);
    if (rest > 0) std::this_thread::sleep_for(std::chrono::duration<double>(rest));
  }
}

bool generator::are_requests_used_up() const {
  if (options_.max_requests == 0) return false;
  return budget_ <= 0 || next_number_ >= options_.max_requests;
}

bool generator::is_idle() const {
  return std::all_of(workers_.begin(), workers_.end(), [](auto& one) { return one->is_idle(); });
}

void generator::drain() {
  auto until = clock_.now() + options_.drain_timeout;
  bool is_aborted = false;
  while (!is_idle()) {
    if (!is_aborted && (is_interrupted_ || clock_.now() > until)) {
      for (auto& one : workers_) one->abort_requests(is_interrupted_);
      is_aborted = true;
    }
    collect(false);
    std::this_thread::sleep_for(std::chrono::duration<double>(look_every));
  }
}

std::uint32_t generator::stage_at(double time) const {
  std::uint32_t out = 0;
  for (std::uint32_t i = 0; i < stages_.size(); ++i)
    if (stages_[i].start <= time) out = i;
  return out;
}

// Takes what the workers have of all seconds that are over, and tells of them.
void generator::collect(bool is_last) {
  auto now = clock_.now();
  auto up_to = static_cast<std::uint32_t>(std::max(0.0, now - settle));
  if (is_last) {
    // What is counted for a second is counted before it ends, but for requests that were sent late.
    up_to = static_cast<std::uint32_t>(now) + 1;
  } else if (up_to <= series_.size()) {
    return;
  }
  std::vector<second_tally> fresh(up_to - series_.size());
  std::uint64_t in_flight = 0;
  std::uint32_t users = 0;
  for (auto& one : workers_) {
    auto news = one->collect(up_to);
    for (auto& [second, tally] : news.seconds) {
      if (second < series_.size()) {
        add_late(series_[second], tally);
      } else {
        fresh[second - series_.size()].merge(tally);
      }
    }
    in_flight += news.in_flight;
    users += news.users;
    if (options_.ledger != nullptr) *options_.ledger << news.ledger;
  }
  for (auto& tally : fresh) publish(tally, in_flight, users);
}

void generator::add_late(second_point& point, const second_tally& tally) {
  point.due += tally.due;
  point.sent += tally.sent;
}

void generator::publish(const second_tally& tally, std::uint64_t in_flight, std::uint32_t users) {
  auto point = to_point(static_cast<std::uint32_t>(series_.size()), tally);
  point.stage = stage_at(point.second);
  point.in_flight = in_flight;
  point.users = users;
  if (watch_ != nullptr) point.server = watch_->newest();
  if (point.stage < peak_memory_.size())
    peak_memory_[point.stage] = std::max(peak_memory_[point.stage], point.server.memory_bytes);
  series_.push_back(point);
  if (on_second_) on_second_(point, stages_.empty() ? "" : stages_[point.stage].plan.name);
}

std::vector<stage_result> generator::results() {
  std::vector<stage_tally> tallies(stages_.size());
  for (auto& one : workers_) {
    auto counted = one->stages();
    for (std::size_t i = 0; i < counted.size(); ++i) tallies[i].merge(counted[i]);
  }
  std::vector<stage_result> out;
  verified_ = {};
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    auto& plan = stages_[i].plan;
    stage_result stage;
    stage.name = plan.name;
    stage.kind = plan.kind;
    stage.users = plan.users;
    stage.start = stages_[i].start;
    // A stage that was ended early lasted as long as it lasted.
    stage.duration = std::clamp(clock_.now() - stage.start, 0.0, plan.duration);
    stage.totals = tallies[i].totals;
    stage.times = tallies[i].times;
    stage.offered_rate = plan.rate;
    if (plan.kind == load_kind::trace && stage.duration > 0)
      stage.offered_rate = static_cast<double>(stage.totals.scheduled) / stage.duration;
    stage.drained = tallies[i].last_end;
    stage.is_judged = plan.is_judged;
    stage.is_stable = keeps_up(tallies[i]);
    stage.peak_memory_bytes = peak_memory_[i];
    verified_.merge(tallies[i].verified);
    out.push_back(std::move(stage));
  }
  return out;
}

void generator::conclude(load_plan& plan, run_record& out) {
  out.stages = results();
  out.verified = verified_;
  out.duration = clock_.now();
  out.is_interrupted = is_interrupted_;
  out.series = series_;
  out.best_stage = plan.best(out.stages);
  if (out.best_stage) out.stages[*out.best_stage].is_judged = true;
  out.overall = overall_of(out.stages);
  out.slo = judge(options_.slo, out.overall);
  out.verdict = verdict_of(out, options_.max_lag);
}

stage_result overall_of(const std::vector<stage_result>& stages) {
  stage_result out;
  out.name = "all";
  const stage_result *first = nullptr, *last = nullptr;
  double num_offered = 0, seconds = 0;
  for (auto& stage : stages) {
    if (!stage.is_judged) continue;
    if (first == nullptr) first = &stage;
    last = &stage;
    out.totals.merge(stage.totals);
    out.times.merge(stage.times);
    out.is_stable = out.is_stable && stage.is_stable;
    out.peak_memory_bytes = std::max(out.peak_memory_bytes, stage.peak_memory_bytes);
    out.drained = std::max(out.drained, stage.drained);
    out.users = std::max(out.users, stage.users);
    num_offered += stage.offered_rate * stage.duration;
    seconds += stage.duration;
  }
  if (first == nullptr) return out;
  out.kind = first->kind;
  out.start = first->start;
  out.duration = last->start + last->duration - first->start;
  out.offered_rate = seconds > 0 ? num_offered / seconds : 0;
  return out;
}

run_verdict verdict_of(const run_record& run, double max_lag) {
  auto& totals = run.overall.totals;
  auto down = totals.failures.find("connect");
  auto num_down = down == totals.failures.end() ? 0 : down->second;
  if (totals.ended() > 0 && num_down == totals.ended()) return run_verdict::target_down;
  // A wrong answer is wrong however busy the generator was, and none is no success.
  if (totals.succeeded == 0) return run_verdict::slo_missed;
  if (run.verified.num_mismatches > 0 || run.verified.num_schema_errors > 0)
    return run_verdict::slo_missed;
  if (run.overall.times.lag.quantile(0.99) > max_lag) return run_verdict::generator_overloaded;
  return all_met(run.slo) ? run_verdict::passed : run_verdict::slo_missed;
}

int exit_status(run_verdict verdict) {
  switch (verdict) {
    case run_verdict::passed: return 0;
    case run_verdict::slo_missed: return 2;
    case run_verdict::generator_overloaded: return 4;
    case run_verdict::target_down: break;
  }
  return 1;
}

}  // namespace troupe::load
