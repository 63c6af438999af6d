// The real actors under a simulated clock, with steps whose time is known.
#include "plan/virtual_house.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::planning;

namespace {

deployment make_deployment(std::uint32_t num_pages, std::uint32_t num_replicas = 1) {
  deployment out{.vocab_size = 1000, .num_replicas = num_replicas};
  out.limits.max_num_seqs = 8;
  out.limits.max_num_batched_tokens = 64;
  out.limits.max_model_len = 512;
  out.limits.num_pages = num_pages;
  out.limits.vocab_size = 1000;
  out.step_seconds = [](const step_batch&) { return 0.01; };
  return out;
}

load_shape make_load(double seconds = 10) {
  return {.input = {.first = 40, .last = 40},
          .output = {.first = 20, .last = 20},
          .seconds = seconds,
          .vocab_size = 1000};
}

house_course run(const deployment& what, const load_shape& load, const load_case& row) {
  auto course = run_load(what, load, row);
  REQUIRE(course);
  return *std::move(course);
}

}  // namespace

TEST_CASE("one client waits a step for each token") {
  const auto course = run(make_deployment(256), make_load(), {.concurrency = 1});
  for (const double seconds : course.load.first_token) CHECK(seconds == doctest::Approx(0.01));
  for (const double gap : course.load.token_gaps) CHECK(gap == doctest::Approx(0.01));
  // 20 tokens of 10 ms each: 5 answers a second.
  CHECK(course.load.num_finished / course.load.seconds == doctest::Approx(5));
  CHECK(static_cast<double>(course.load.num_output_tokens) / course.load.seconds ==
        doctest::Approx(100));
  CHECK(course.load.seconds >= 10);
  CHECK(course.most_running == 1);
  CHECK(course.busy_share > 0.98);
}

TEST_CASE("prompts of many clients wait for each other's rows") {
  // A step has 64 rows: one prompt of 40 and a part of the next.
  const auto course = run(make_deployment(256), make_load(), {.concurrency = 8});
  CHECK(course.most_running == 8);
  double worst = 0;
  for (const double seconds : course.load.first_token) worst = std::max(worst, seconds);
  CHECK(worst >= 0.05);  // 8 * 40 rows are 5 steps
  CHECK(course.load.num_failed == 0);
}

TEST_CASE("clients that take their time begin apart and get their first tokens sooner") {
  auto load = make_load();
  load.output = {.first = 100, .last = 100};
  auto mean = [&] {
    const auto course = run(make_deployment(256), load, {.concurrency = 4});
    double sum = 0;
    for (const double seconds : course.load.first_token) sum += seconds;
    return sum / static_cast<double>(course.load.first_token.size());
  };
  const double together = mean();
  load.turnaround_seconds = 0.2;
  CHECK(mean() < 0.9 * together);
}

TEST_CASE("too few pages mean preemption, and every answer comes to its end") {
  // They come in with 3 pages and grow to 7: eight of them cannot all stay.
  auto load = make_load();
  load.output = {.first = 60, .last = 60};
  const auto course = run(make_deployment(28), load, {.concurrency = 8});
  CHECK(course.num_preemptions > 0);
  CHECK(course.kv_share > 0.9);
  CHECK(course.load.num_finished > 0);
  CHECK(course.load.num_failed + course.load.num_refused + course.load.num_timed_out == 0);
}

TEST_CASE("a load that exceeds what the house does is seen as that") {
  auto what = make_deployment(256);
  what.limits.max_waiting_requests = 16;
  // 8 sequences of 20 steps of 10 ms: at most 40 a second.
  const auto course = run(what, make_load(), {.rate = 100});
  CHECK(course.load.num_refused > 100);
  what.limits.max_waiting_requests = 4096;
  const auto waiting = run(what, make_load(), {.rate = 100});
  CHECK(waiting.load.num_refused == 0);
  CHECK(waiting.load.first_token.back() > 2 * waiting.load.first_token.front());
  CHECK(waiting.load.num_unanswered > 0);
}

TEST_CASE("an open load within reach answers what is offered") {
  const auto course = run(make_deployment(256), make_load(60), {.rate = 10});
  CHECK(course.load.num_finished / course.load.seconds == doctest::Approx(10).epsilon(0.1));
  CHECK(course.load.num_unanswered == 0);
}

TEST_CASE("two replicas behind the router do twice as much") {
  const auto one = run(make_deployment(256), make_load(), {.concurrency = 16});
  const auto two = run(make_deployment(256, 2), make_load(), {.concurrency = 16});
  auto rate = [](const house_course& c) {
    return static_cast<double>(c.load.num_output_tokens) / c.load.seconds;
  };
  CHECK(rate(two) > 1.6 * rate(one));
  CHECK(two.most_running == 8);
}

TEST_CASE("a shared prefix is computed once") {
  auto load = make_load();
  load.input = {.first = 200, .last = 200};
  const auto cold = run(make_deployment(256), load, {.concurrency = 1});
  load.shared_prefix_tokens = 192;
  const auto warm = run(make_deployment(256), load, {.concurrency = 1});
  CHECK(cold.load.first_token.back() == doctest::Approx(0.04));  // 200 rows by 64
  CHECK(warm.load.first_token.back() == doctest::Approx(0.01));
}

TEST_CASE("the same load takes the same course") {
  auto load = make_load();
  load.output = {length_range::kind::uniform, 5, 40};
  for (const auto& row : {load_case{.concurrency = 8}, load_case{.rate = 20}}) {
    const auto a = run(make_deployment(64, 2), load, row);
    const auto b = run(make_deployment(64, 2), load, row);
    CHECK(a.load.first_token == b.load.first_token);
    CHECK(a.load.token_gaps == b.load.token_gaps);
    CHECK(a.num_preemptions == b.num_preemptions);
    CHECK(a.seconds == b.seconds);
  }
}
