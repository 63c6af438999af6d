// The scaling rule on a simulated fleet: what a spike costs, and that calm is restored.
#include "replica_simulation.hpp"
#include "simulated_workloads.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>

using namespace troupe;
using namespace troupe::simulation;
using namespace std::chrono_literals;

namespace {

constexpr double objective = 1;  // seconds to the first token

// Prompts of which one replica computes 6 a second and no more; without prefixes, so that this
// stays true whatever the router does.
prompt_options prompts_of(rate per_second, double end) {
  return {.per_second = std::move(per_second), .end = end, .median_tokens = 1050, .sigma = 0.7};
}

// 2 requests per second, 16 for ten minutes, 2 again.
double spike(double seconds) { return seconds >= 300 && seconds < 900 ? 16 : 2; }

fleet_options one_to_five(double start_seconds, std::chrono::milliseconds out_after = 10s) {
  scaling_options rule;
  rule.min_replicas = 1;
  rule.max_replicas = 5;
  rule.out_after = out_after;
  fleet_options fleet;
  fleet.num_replicas = 1;
  fleet.scaling = rule;
  fleet.start_seconds = start_seconds;
  fleet.enable_prefix_caching = false;
  return fleet;
}

course run_spike(const fleet_options& fleet, std::uint64_t seed = 1) {
  return run(fleet, prompts(prompts_of(spike, 2400), seed));
}

struct expectation {
  double start_seconds;
  double least_share;  // within the objective
};

}  // namespace

// 82.0, 94.9 and 97.4 % were expected for 120, 20 and 3 seconds.
TEST_CASE("a spike of eight times: the objective is kept but for the time that starting takes") {
  for (auto [start_seconds, least_share] :
       {expectation{120, 0.82}, expectation{20, 0.94}, expectation{3, 0.97}}) {
    for (std::uint64_t seed : {1, 2}) {
      auto seen = run_spike(one_to_five(start_seconds), seed);
      CAPTURE(start_seconds);
      CAPTURE(seed);
      CHECK(seen.share_within(objective) >= least_share);
      CHECK(seen.most_replicas == 5);
      CHECK(seen.last_replicas == 1);
      CHECK(seen.num_started == seen.num_drained);
      CHECK(seen.num_started <= 6);
      CHECK(seen.replica_seconds < 100 * 60);
    }
  }
}

// 60.3, 79.8 and 83.8 % were expected of a rule that waits a minute.
TEST_CASE("waiting a minute before scaling out costs five points or more") {
  for (double start_seconds : {120.0, 20.0, 3.0}) {
    CAPTURE(start_seconds);
    auto soon = run_spike(one_to_five(start_seconds)).share_within(objective);
    auto late = run_spike(one_to_five(start_seconds, 60s)).share_within(objective);
    CHECK(late < soon - 0.05);
  }
}

// The load hardly shows how near a replica is to its limit before it is there. So where one replica
// is just not enough, the second one is let go and called back, about every four minutes.
TEST_CASE("a steady load: none too few, and hardly a change but at a replica's limit") {
  struct steady {
    double per_second;
    std::uint32_t least_replicas, most_started;
  };
  for (auto [per_second, least_replicas, most_started] :
       {steady{2, 1, 0}, steady{4, 1, 1}, steady{6, 1, 10}, steady{9, 2, 5}, steady{14, 3, 5}}) {
    auto seen =
        run(one_to_five(20), prompts(prompts_of([r = per_second](double) { return r; }, 1800), 1));
    CAPTURE(per_second);
    CHECK(seen.last_replicas >= least_replicas);
    CHECK(seen.num_started <= most_started);
    CHECK(seen.share_within(objective) > 0.94);
  }
}

// What waits at the router gets its turn before those who come later, and everybody is late; what
// waits at the one replica that was there is late alone. So a router should let replicas have some
// seconds of work before they count as full.
TEST_CASE("a queue at the router is fairer, and keeps the objective less often") {
  auto fleet = one_to_five(20);
  auto none = run_spike(fleet);
  fleet.max_prefill_tokens = 10'000;  // about a second of work
  auto strict = run_spike(fleet);
  fleet.max_prefill_tokens = 30'000;
  auto lenient = run_spike(fleet);
  CHECK(strict.first_tokens.size() == none.first_tokens.size());
  CHECK(strict.share_within(objective) < none.share_within(objective) - 0.05);
  CHECK(lenient.share_within(objective) > 0.94);
  CHECK(lenient.percentile(99) < none.percentile(99));
}
