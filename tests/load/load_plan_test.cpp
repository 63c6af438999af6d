#include "load/load_plan.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "load/tally.hpp"

using namespace troupe;
using namespace troupe::load;

namespace {

// A server that answers `capacity` requests per second: what a stage would find out.
stage_result measured(const stage_plan& plan, double capacity) {
  stage_result out;
  out.name = plan.name;
  out.kind = plan.kind;
  out.offered_rate = plan.rate;
  out.users = plan.users;
  out.duration = out.drained = plan.duration;
  double rate = 0, latency = 0.1;
  if (plan.kind == load_kind::closed) {
    rate = std::min(plan.users / (latency + 1), capacity);  // they think for a second
    latency = std::max(latency, plan.users / rate - 1);
  } else {
    rate = std::min(plan.rate, capacity);
    latency = plan.rate > capacity ? 10 : 0.1;
    out.is_stable = plan.rate <= capacity;
  }
  out.totals.succeeded = static_cast<std::uint64_t>(rate * plan.duration);
  out.times.e2e.observe(latency, out.totals.succeeded);
  return out;
}

std::vector<stage_result> play(load_plan& plan, double capacity) {
  std::vector<stage_result> out;
  while (auto next = plan.next(out)) {
    for (auto& stage : next->stages) out.push_back(measured(stage, capacity));
    REQUIRE(out.size() < 200);
  }
  return out;
}

}  // namespace

TEST_CASE("sweep finds the capacity to its precision") {
  plan_options options{.kind = plan_kind::sweep};
  for (double capacity : {0.4, 7.3, 180.0, 4321.0}) {
    auto plan = make_plan(options);
    auto stages = play(*plan, capacity);
    auto best = plan->best(stages);
    REQUIRE(best);
    CHECK(stages[*best].offered_rate <= capacity);
    CHECK(stages[*best].offered_rate * 1.051 >= capacity);
  }
}

TEST_CASE("sweep ends at its greatest rate, and where nothing holds up") {
  plan_options options{.kind = plan_kind::sweep, .max_rate = 100};
  auto plan = make_plan(options);
  auto stages = play(*plan, 1e9);
  CHECK(stages[*plan->best(stages)].offered_rate == 100);
  auto hopeless = make_plan({.kind = plan_kind::sweep, .slo = *parse_slo("e2e_mean<1ms")});
  auto tried = play(*hopeless, 10);
  CHECK(hopeless->best(tried) == tried.size() - 1);
}

TEST_CASE("seed adds users up to the knee, and stays there") {
  plan_options options{.kind = plan_kind::seed, .users = 50, .knee_duration = 600};
  auto plan = make_plan(options);
  auto stages = play(*plan, 190);  // 190 * 1.1 = 209 users
  CHECK(stages[0].users == 50);
  CHECK(stages[1].users == 100);
  CHECK(stages.back().users == 200);
  CHECK(stages.back().duration == 600);
  CHECK(plan->best(stages) == stages.size() - 1);
}

TEST_CASE("seed stops at its bound, and where the SLO is missed") {
  auto bounded = make_plan({.kind = plan_kind::seed, .users = 50, .max_users = 150});
  auto few = play(*bounded, 1e9);
  CHECK(few.size() == 4);
  CHECK(few.back().users == 150);
  auto strict =
      make_plan({.kind = plan_kind::seed, .users = 50, .slo = *parse_slo("e2e_mean<150ms")});
  auto stages = play(*strict, 100);  // missed at 150 users
  CHECK(stages[stages.size() - 2].users == 150);
  CHECK(stages.back().users == 100);
}

TEST_CASE("stages of fixed plans") {
  auto names = [](plan_options options) {
    auto plan = make_plan(options);
    std::string out;
    for (auto& stage : play(*plan, 1e9)) out += stage.name + "; ";
    return out;
  };
  CHECK(names({.kind = plan_kind::spike, .rate = 2}) == "2/s; 16/s; 2/s; ");
  CHECK(names({.kind = plan_kind::spike, .users = 3, .spike_factor = 2}) ==
        "3 users; 6 users; 3 users; ");
  CHECK(names({.kind = plan_kind::rate, .rate = 2.5, .warm_up = 1}) == "warm-up; 2.5/s; ");
  CHECK(names({.kind = plan_kind::concurrency, .concurrency = {1, 2}}) == "1; 2; ");
  auto ramp = make_plan({.kind = plan_kind::ramp, .rate = 100, .duration = 50});
  auto stages = play(*ramp, 1e9);
  REQUIRE(stages.size() == 10);
  CHECK(stages[0].offered_rate == doctest::Approx(10));
  CHECK(stages[9].offered_rate == doctest::Approx(100));
  CHECK(stages[9].duration == 5);
}

TEST_CASE("a backlog and failures are not stable") {
  stage_tally steady{.early_seconds = 10, .later_seconds = 11, .num_early = 100, .num_later = 100};
  steady.totals.succeeded = 200;
  CHECK(keeps_up(steady));
  auto growing = steady;
  growing.later_seconds = 40;
  CHECK(!keeps_up(growing));
  auto refusing = steady;
  refusing.totals.rejected = 10;
  CHECK(!keeps_up(refusing));
}
