#include "core/scaling_policy.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace troupe {
namespace {

std::string two_digits(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", x);
  return text;
}

std::string seconds(std::chrono::steady_clock::duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", std::chrono::duration<double>(d).count());
  return text;
}

constexpr int averages_per_in_after = 6;

// "load 0.93 of 2 ready and 1 starting".
std::string describe(double load, const scaling_signs& signs) {
  auto text = "load " + two_digits(load) + " of " + std::to_string(signs.num_ready) + " ready";
  if (signs.num_starting > 0) text += " and " + std::to_string(signs.num_starting) + " starting";
  return text;
}

// As many as bring `load` down to `target`, when `num` share it; at most as many again, at least 1.
std::uint32_t num_more(std::uint32_t num, double load, double target) {
  auto share = std::min(load / target, 2.0) - 1.0;
  constexpr double rounding = 1e-9;  // 5 * (0.84 / 0.7 - 1) is 1, not a little more
  return std::max(1U, static_cast<std::uint32_t>(std::ceil(num * share - rounding)));
}

}  // namespace

// A look at one moment sees a single long prompt as load; what lets a replica go is the average
// over a sixth of the time that it must be low. Load beyond full says no more than full here.
void scaling_policy::follow(double load, clock::duration passed) {
  auto memory = options_.in_after / averages_per_in_after;
  auto weight = !average_load_ || passed >= memory
                    ? 1.0
                    : std::chrono::duration<double>(passed) / std::chrono::duration<double>(memory);
  auto before = average_load_.value_or(0);
  average_load_ = before + weight * (std::min(load, 1.0) - before);
}

// Two looks that saw the same count for the time between them, but not for more than max_gap.
void scaling_policy::note_time(const scaling_signs& signs, double shared_load) {
  clock::duration passed{0};
  if (has_looked_)
    passed = std::clamp<clock::duration>(signs.now - last_look_, passed, options_.max_gap);
  auto note = [passed](bool is_so, bool& was_so, auto& how_long) {
    how_long = is_so && was_so ? how_long + passed : passed.zero();
    was_so = is_so;
  };
  auto is_known = signs.num_ready > 0 && !std::isnan(signs.load);
  if (is_known) follow(signs.load, passed);
  note(is_known && shared_load > options_.out_above, was_above_, above_);
  note(is_known && *average_load_ < options_.in_below, was_below_, below_);
  last_look_ = signs.now;
  has_looked_ = true;
}

scaling_decision scaling_policy::decide(const scaling_signs& signs) {
  auto bounds = bounds_at(options_.schedule, signs.minute_of_week,
                          {options_.min_replicas, options_.max_replicas});
  bounds.max_replicas = std::max(bounds.min_replicas, bounds.max_replicas);
  auto num = signs.num_ready + signs.num_starting;
  auto shared_load = num > 0 ? signs.load * signs.num_ready / num : 0.0;
  note_time(signs, shared_load);

  answer decided;
  if (num < bounds.min_replicas || num > bounds.max_replicas)
    decided = keep_bounds(num, bounds);
  else if (signs.num_ready == 0)
    decided.reason = "none is ready, " + std::to_string(signs.num_starting) + " starting";
  else if (was_above_)
    decided = scale_out(signs, shared_load, bounds);
  else if (was_below_)
    decided = scale_in(signs, bounds);
  else
    decided.reason = describe(shared_load, signs) + " is between " + two_digits(options_.in_below) +
                     " and " + two_digits(options_.out_above);
  return {.change = decided.change,
          .reason = std::move(decided.reason),
          .min_now = bounds.min_replicas,
          .max_now = bounds.max_replicas};
}

scaling_policy::answer scaling_policy::keep_bounds(std::uint32_t num,
                                                   const replica_bounds& bounds) const {
  auto is_few = num < bounds.min_replicas;
  auto limit = is_few ? bounds.min_replicas : bounds.max_replicas;
  return {static_cast<std::int32_t>(limit) - static_cast<std::int32_t>(num),
          std::to_string(num) + " ready or starting, at " + (is_few ? "least " : "most ") +
              std::to_string(limit) + " now"};
}

scaling_policy::answer scaling_policy::scale_out(const scaling_signs& signs, double load,
                                                 const replica_bounds& bounds) const {
  auto num = signs.num_ready + signs.num_starting;
  auto reason = describe(load, signs) + " above " + two_digits(options_.out_above) + " for " +
                seconds(above_);
  if (num >= bounds.max_replicas)
    return {0, reason + ", but there are at most " + std::to_string(bounds.max_replicas)};
  if (above_ < options_.out_after) return {0, reason + " of " + seconds(options_.out_after)};
  auto room = bounds.max_replicas - num;
  return {static_cast<std::int32_t>(std::min(room, num_more(num, load, options_.out_above))),
          reason + ", at most " + std::to_string(bounds.max_replicas)};
}

scaling_policy::answer scaling_policy::scale_in(const scaling_signs& signs,
                                                const replica_bounds& bounds) {
  auto load = *average_load_;
  auto reason = "average " + describe(load, signs) + " below " + two_digits(options_.in_below) +
                " for " + seconds(below_);
  if (signs.num_ready + signs.num_starting <= bounds.min_replicas)
    return {0, reason + ", but there are at least " + std::to_string(bounds.min_replicas)};
  if (signs.num_starting > 0) return {0, reason + ", but not while one is starting"};
  if (signs.num_draining > 0)
    return {0, reason + ", but " + std::to_string(signs.num_draining) + " draining already"};
  if (below_ < options_.in_after) return {0, reason + " of " + seconds(options_.in_after)};
  auto carried = load * signs.num_ready / (signs.num_ready - 1);
  if (!(carried < options_.in_carry))
    return {0, reason + ", but one less would carry " + two_digits(carried) + ", not below " +
                   two_digits(options_.in_carry)};
  below_ = below_.zero();  // the next one goes by what the others carry then
  return {-1, reason + ", at least " + std::to_string(bounds.min_replicas)};
}

}  // namespace troupe
