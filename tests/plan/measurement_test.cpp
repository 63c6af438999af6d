#include "plan/measurement.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::planning;

namespace {

const load_shape ten_seconds{.seconds = 10};

// A request that has its first token after `first` seconds and its end after `whole`.
void serve(observer& eyes, std::uint64_t id, double at, double first, double whole) {
  eyes.arrived({id}, at, 100);
  eyes.got_tokens({id}, at + first, 1);
  eyes.got_tokens({id}, at + whole, 1);
  eyes.ended({id}, at + whole, finish_reason::length);
}

}  // namespace

TEST_CASE("a closed loop is looked at from the first full round on") {
  observer eyes(ten_seconds, {.concurrency = 1});
  serve(eyes, 1, 0, 9, 9);  // warm-up: nothing of it counts
  std::uint64_t id = 2;
  double now = 9;
  for (; !eyes.is_over(now); now += 4) serve(eyes, id++, now, 1, 4);
  const auto seen = eyes.finish(now);
  // Three answers of 4 s are the first that fill 10 s.
  CHECK(seen.seconds == doctest::Approx(12));
  CHECK(seen.num_finished == 3);
  CHECK(seen.first_token == std::vector<double>{1, 1, 1});
  CHECK(seen.num_output_tokens == 6);
  CHECK(seen.num_input_tokens == 300);
  REQUIRE(seen.token_gaps.size() == 3);
  CHECK(seen.token_gaps.front() == doctest::Approx(3));
}

TEST_CASE("a closed loop ends with a round of all clients") {
  observer eyes(ten_seconds, {.concurrency = 2});
  std::uint64_t id = 1;
  double now = 0;
  // Two clients in step: each round takes 3 s.
  for (; !eyes.is_over(now); now += 3) {
    eyes.arrived({id}, now, 1);
    eyes.arrived({id + 1}, now, 1);
    for (const auto one : {id, id + 1}) eyes.got_tokens({one}, now + 1, 1);
    for (const auto one : {id, id + 1}) eyes.ended({one}, now + 3, finish_reason::length);
    id += 2;
  }
  const auto seen = eyes.finish(now);
  CHECK(seen.seconds == doctest::Approx(12));
  CHECK(seen.num_finished == 8);
  CHECK(seen.num_output_tokens == 8);
}

TEST_CASE("an open load warms up for a fifth and is then looked at") {
  observer eyes(ten_seconds, {.rate = 1});
  serve(eyes, 1, 1, 0.5, 0.5);   // warm-up
  serve(eyes, 2, 3, 0.25, 0.5);  // counts
  eyes.arrived({3}, 11.5, 100);
  eyes.arrived({4}, 12.5, 100);  // past the end at 12
  CHECK_FALSE(eyes.is_over(12.5));
  eyes.got_tokens({3}, 13, 1);
  CHECK(eyes.is_over(13));
  const auto seen = eyes.finish(13);
  CHECK(seen.seconds == doctest::Approx(10));
  CHECK(seen.first_token == std::vector<double>{0.25, 1.5});
  CHECK(seen.num_finished == 1);
  CHECK(seen.num_unanswered == 0);
}

TEST_CASE("what has no token when patience ends counts with its waiting") {
  observer eyes(ten_seconds, {.rate = 1});
  eyes.arrived({1}, 4, 100);
  eyes.arrived({2}, 13, 100);
  CHECK_FALSE(eyes.is_over(21));
  eyes.arrived({3}, 22, 100);
  CHECK(eyes.is_over(22));
  const auto seen = eyes.finish(22);
  CHECK(seen.first_token == std::vector<double>{18});
  CHECK(seen.num_unanswered == 1);
}

TEST_CASE("refusals, failures and deadlines are counted apart") {
  observer eyes(ten_seconds, {.rate = 1});
  for (std::uint64_t id = 1; id <= 3; ++id) eyes.arrived({id}, 3, 1);
  eyes.refused({1});
  eyes.ended({2}, 4, finish_reason::timed_out);
  eyes.ended({3}, 4, finish_reason::failed);
  const auto seen = eyes.finish(13);
  CHECK(seen.num_refused == 1);
  CHECK(seen.num_timed_out == 1);
  CHECK(seen.num_failed == 1);
  CHECK(seen.num_unanswered == 3);
  CHECK(seen.first_token.empty());
}
