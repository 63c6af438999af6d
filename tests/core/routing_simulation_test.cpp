// The choice of a replica, the prefix index and the pools' news together, on three loads of four
// simulated replicas. What is held against other policies is the wait for the first token.
#include "replica_simulation.hpp"
#include "simulated_workloads.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

using namespace troupe;
using namespace troupe::simulation;

namespace {

struct quantiles {
  double p50 = 0, p90 = 0, p99 = 0;  // seconds
};

std::array<double, 3> quantiles_of(const course& seen) {
  return {seen.percentile(50), seen.percentile(90), seen.percentile(99)};
}

// Each of the three within a factor of what an earlier simulation of such a fleet gave.
void check_near(const course& seen, const quantiles& expected, double factor) {
  auto now = quantiles_of(seen);
  auto then = std::array{expected.p50, expected.p90, expected.p99};
  for (std::size_t i = 0; i < now.size(); ++i) {
    CAPTURE(now[i]);
    CAPTURE(then[i]);
    CHECK(std::abs(std::log(now[i] / then[i])) < std::log(factor));
  }
}

constexpr std::array policies{route::round_robin, route::least_requests, route::least_tokens,
                              route::conversation, route::cached_least_tokens};

struct comparison {
  std::array<course, policies.size()> courses;  // in the order of `policies`

  const course& of(route policy) const { return courses[static_cast<std::size_t>(policy)]; }
  const course& ours() const { return of(route::cached_least_tokens); }
};

template <class MakeWorkload>
comparison compare(MakeWorkload make) {
  comparison all;
  for (auto policy : policies)
    all.courses[static_cast<std::size_t>(policy)] = run({.policy = policy}, make());
  return all;
}

void check_nobody_is_better(const comparison& all) {
  for (auto policy : policies) {
    CAPTURE(static_cast<int>(policy));
    CHECK(all.ours().percentile(99) <= all.of(policy).percentile(99));
    CHECK(all.ours().share_within(1) >= all.of(policy).share_within(1));
    CHECK(all.ours().first_tokens.size() == all.of(policy).first_tokens.size());
  }
}

rate steadily(double per_second) {
  return [per_second](double) { return per_second; };
}

chat_options chat_at(double per_second, double seconds) {
  return {.per_second = steadily(per_second), .end = seconds};
}

// A lone request with so many prompt tokens, at the first second.
workload one_job(std::uint32_t num_prompt, std::uint32_t num_output) {
  auto is_over = std::make_shared<bool>(false);
  return [=]() -> std::optional<job> {
    if (std::exchange(*is_over, true)) return std::nullopt;
    return job{.arrival = 1,
               .tokens = std::vector<token_id>(num_prompt + num_output, 5),
               .num_prompt = num_prompt};
  };
}

}  // namespace

TEST_CASE("the simulated replica takes the time of its formula") {
  auto lone = run({.num_replicas = 1}, one_job(1000, 11));
  REQUIRE(lone.first_tokens.size() == 1);
  CHECK(lone.first_tokens[0] == doctest::Approx(0.015 + 0.00009 * 1000 + 0.00006));
  CHECK(lone.end == doctest::Approx(1 + lone.first_tokens[0] + 10 * 0.01506));
  // Two steps: the budget is 2048.
  auto longer = run({.num_replicas = 1}, one_job(3000, 1));
  CHECK(longer.end == doctest::Approx(1 + 2 * 0.01506 + 0.00009 * 3000));
}

TEST_CASE("when pages run out everybody is answered all the same") {
  auto num_jobs = std::make_shared<std::size_t>(0);
  auto next = prompts({.per_second = steadily(30), .end = 20, .mean_output_tokens = 900}, 1);
  auto crowd = run({.num_replicas = 1}, [=] {
    auto j = next();
    *num_jobs += j ? 1 : 0;
    return j;
  });
  CHECK(crowd.first_tokens.size() == *num_jobs);
  CHECK(crowd.percentile(99) > 10);
}

// RR .10/.61/1.56, LOR .11/.50/1.35, LOT and miss+LOT .09/.29/.86 were expected, with p99 of 6,000
// requests; 2,000 here. Nothing is shared, so knowing the prefixes must cost nothing.
TEST_CASE("independent prompts: counting tokens beats counting requests, prefixes do no harm") {
  auto all = compare([] { return prompts({.per_second = steadily(20), .end = 100}, 1); });
  check_near(all.of(route::round_robin), {0.10, 0.61, 1.56}, 1.35);
  check_near(all.of(route::least_requests), {0.11, 0.50, 1.35}, 1.35);
  check_near(all.of(route::least_tokens), {0.09, 0.29, 0.86}, 1.35);
  check_near(all.ours(), {0.09, 0.29, 0.86}, 1.35);
  check_nobody_is_better(all);
  CHECK(all.ours().first_tokens == all.of(route::least_tokens).first_tokens);
  CHECK(all.ours().percentile(90) < 0.7 * all.of(route::least_requests).percentile(90));
}

// RR .09/.23/.42, LOR .11/.27/.49, LOT .10/.23/.40, miss+LOT .09/.20/.37 were expected. Ours is
// faster (.06/.16/.3): these conversations have turns, whose history it finds again, which that
// simulation hardly had. Its hashed sessions were slower (p99 3.8, here .6) since there were fewer.
TEST_CASE("conversations: prefixes make the first token sooner, at the tail as well") {
  auto all = compare([] { return chat(chat_at(20, 100), 1); });
  check_near(all.of(route::round_robin), {0.09, 0.23, 0.42}, 1.5);
  check_near(all.of(route::least_requests), {0.11, 0.27, 0.49}, 1.5);
  check_near(all.of(route::least_tokens), {0.10, 0.23, 0.40}, 1.5);
  check_near(all.ours(), {0.09, 0.20, 0.37}, 1.6);
  check_nobody_is_better(all);
  CHECK(all.ours().percentile(99) < 0.85 * all.of(route::least_tokens).percentile(99));
  CHECK(all.ours().hit_share > all.of(route::least_tokens).hit_share + 0.05);
}

// Within a second: RR 54.7 %, LOR 100, LOT 72.8, sessions 49.6, miss+LOT 100 were expected, at 24
// requests per second. These conversations are cheaper, their limit is at 40, and LOR is no better
// than the others there: what saves a fleet at its limit is the work that it need not do.
TEST_CASE("at the limit of the fleet only those who use what is cached keep up") {
  auto all = compare([] { return chat(chat_at(40, 50), 3); });
  CHECK(all.ours().share_within(1) > 0.995);
  for (auto policy :
       {route::round_robin, route::least_requests, route::least_tokens, route::conversation})
    CHECK(all.of(policy).share_within(1) < 0.9);
  check_nobody_is_better(all);
  CHECK(all.ours().percentile(99) < 1);
}
