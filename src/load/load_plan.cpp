#include "load/load_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace troupe::load {
namespace {

std::string rate_name(double rate) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g/s", rate);
  return text.data();
}

// One stage of the load that the options ask for, times `factor`.
stage_plan stage_of(const plan_options& o, double factor, double duration) {
  stage_plan out;
  out.duration = duration;
  if (o.rate > 0) {
    out.rate = o.rate * factor;
    out.name = rate_name(out.rate);
    return out;
  }
  out.kind = load_kind::closed;
  out.users = std::max(1U, static_cast<std::uint32_t>(o.users * factor + 0.5));
  out.spawn = o.spawn > 0 ? o.spawn : out.users;
  out.name = std::to_string(out.users) + " users";
  return out;
}

void add_warm_up(const plan_options& o, const stage_plan& first, segment& out) {
  if (o.warm_up <= 0) return;
  auto warm = first;
  warm.name = "warm-up";
  warm.duration = o.warm_up;
  warm.is_judged = false;
  out.stages.insert(out.stages.begin(), warm);
}

// Segments that are known from the start.
class fixed_plan : public load_plan {
 public:
  explicit fixed_plan(std::vector<segment> segments) : segments_(std::move(segments)) {}
  std::optional<segment> next(const std::vector<stage_result>&) override {
    if (num_given_ == segments_.size()) return std::nullopt;
    return segments_[num_given_++];
  }

 private:
  std::vector<segment> segments_;
  std::size_t num_given_ = 0;
};

segment fixed_stages(const plan_options& o) {
  segment out;
  switch (o.kind) {
    case plan_kind::spike:
      for (double factor : {1.0, o.spike_factor, 1.0})
        out.stages.push_back(stage_of(o, factor, o.stage_duration));
      break;
    case plan_kind::ramp:
      for (int step = 1; step <= 10; ++step)
        out.stages.push_back(stage_of(o, step * 0.1, o.duration / 10));
      break;
    case plan_kind::soak:
      for (int part = 1; part <= 10; ++part) {
        out.stages.push_back(stage_of(o, 1, o.duration / 10));
        out.stages.back().name += ", part " + std::to_string(part);
      }
      break;
    case plan_kind::trace:
      out.stages.push_back({.name = "trace", .kind = load_kind::trace, .duration = o.duration});
      break;
    default: out.stages.push_back(stage_of(o, 1, o.duration));
  }
  if (o.kind != plan_kind::trace) add_warm_up(o, out.stages.front(), out);
  return out;
}

std::vector<segment> concurrency_stages(const plan_options& o) {
  std::vector<segment> out;
  for (auto users : o.concurrency) {
    stage_plan stage{.name = std::to_string(users),
                     .kind = load_kind::closed,
                     .users = users,
                     .spawn = 1e6,
                     .has_think_time = false,
                     .duration = o.stage_duration};
    out.push_back({{stage}, true});
    if (out.size() == 1) add_warm_up(o, stage, out[0]);
  }
  return out;
}

// Users in steps: the load of a step goes on in the next one, nobody leaves. It stops behind the
// knee: when the power was below its best twice in a row, or the SLO is missed.
class knee_plan : public load_plan {
 public:
  explicit knee_plan(const plan_options& options) : o_(options) {}

  std::optional<segment> next(const std::vector<stage_result>& so_far) override {
    if (is_over_) return std::nullopt;
    if (so_far.size() <= num_warm_) return step(o_.users, so_far.empty());
    std::vector<stage_result> steps(so_far.begin() + num_warm_, so_far.end());
    auto knee = find_knee(steps);
    auto most = steps.back().users + o_.step_users;
    bool is_behind = knee && *knee + 2 < steps.size();
    bool is_enough = is_behind || most > o_.max_users || !all_met(judge(o_.slo, steps.back()));
    if (!is_enough) return step(most, false);
    is_over_ = true;
    knee_ = knee.value_or(0) + num_warm_;
    auto stage = users_stage(so_far[knee_].users, o_.knee_duration);
    stage.name += ", the knee";
    return segment{{stage}, true};
  }

  std::optional<std::uint32_t> best(const std::vector<stage_result>& all) const override {
    if (!is_over_ || all.empty()) return std::nullopt;
    return static_cast<std::uint32_t>(all.size() - 1);
  }

 private:
  stage_plan users_stage(std::uint32_t users, double duration) const {
    auto one = o_;
    one.users = users;
    one.rate = 0;
    auto out = stage_of(one, 1, duration);
    if (o_.spawn <= 0) out.spawn = o_.step_users;
    return out;
  }

  segment step(std::uint32_t users, bool is_first) {
    auto stage = users_stage(users, o_.stage_duration);
    stage.is_judged = false;
    segment out{{stage}, false};
    if (is_first) {
      add_warm_up(o_, stage, out);
      num_warm_ = static_cast<std::uint32_t>(out.stages.size() - 1);
    }
    return out;
  }

  plan_options o_;
  std::uint32_t num_warm_ = 0, knee_ = 0;
  bool is_over_ = false;
};

// Doubles the rate until it is too much, then halves the interval.
class sweep_plan : public load_plan {
 public:
  explicit sweep_plan(const plan_options& options) : o_(options) {}

  std::optional<segment> next(const std::vector<stage_result>& so_far) override {
    if (so_far.empty()) return ask(o_.rate > 0 ? o_.rate : 1, o_.warm_up > 0);
    auto& last = so_far.back();
    if (holds_up(last, o_.slo)) {
      lower_ = std::max(lower_, last.offered_rate);
      best_ = static_cast<std::uint32_t>(so_far.size() - 1);
    } else {
      upper_ = upper_ == 0 ? last.offered_rate : std::min(upper_, last.offered_rate);
    }
    if (upper_ == 0) {
      if (lower_ >= o_.max_rate) return std::nullopt;
      return ask(std::min(lower_ * 2, o_.max_rate), false);
    }
    // Where even the first rate is too much, smaller ones are tried, but not for ever.
    if (lower_ == 0) {
      if (upper_ < least_rate) return std::nullopt;
      return ask(upper_ / 2, false);
    }
    if (upper_ / lower_ - 1 <= o_.precision) return std::nullopt;
    return ask((lower_ + upper_) / 2, false);
  }

  std::optional<std::uint32_t> best(const std::vector<stage_result>& all) const override {
    if (best_) return best_;
    if (all.empty()) return std::nullopt;
    return static_cast<std::uint32_t>(all.size() - 1);
  }

 private:
  static constexpr double least_rate = 0.05;

  segment ask(double rate, bool warms) const {
    auto one = o_;
    one.rate = rate;
    auto stage = stage_of(one, 1, o_.stage_duration);
    stage.is_judged = false;
    segment out{{stage}, true};
    if (warms) add_warm_up(o_, stage, out);
    return out;
  }

  plan_options o_;
  double lower_ = 0, upper_ = 0;  // 0: none yet
  std::optional<std::uint32_t> best_;
};

}  // namespace

double power_of(const stage_result& stage) {
  auto latency = stage.times.e2e.mean();
  return latency > 0 ? stage.request_throughput() / latency : 0;
}

std::optional<std::uint32_t> find_knee(const std::vector<stage_result>& stages) {
  std::optional<std::uint32_t> out;
  for (std::uint32_t i = 0; i < stages.size(); ++i)
    if (power_of(stages[i]) > (out ? power_of(stages[*out]) : 0)) out = i;
  return out;
}

bool holds_up(const stage_result& stage, const std::vector<slo_clause>& slo) {
  return stage.is_stable && all_met(judge(slo, stage));
}

std::unique_ptr<load_plan> make_plan(const plan_options& o) {
  switch (o.kind) {
    case plan_kind::seed: return std::make_unique<knee_plan>(o);
    case plan_kind::sweep: return std::make_unique<sweep_plan>(o);
    case plan_kind::concurrency: return std::make_unique<fixed_plan>(concurrency_stages(o));
    default: return std::make_unique<fixed_plan>(std::vector{fixed_stages(o)});
  }
}

}  // namespace troupe::load
