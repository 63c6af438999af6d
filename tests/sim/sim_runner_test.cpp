#include "sim/sim_runner.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct fake_clock : sim_clock {
  time_point now() override { return time; }
  void sleep_until(time_point when) override {
    time = std::max(time, when) + overshoot;
    slept_until = when;
  }
  time_point time{1h};
  time_point slept_until{};
  std::chrono::nanoseconds overshoot{0};
};

sim_runner_options make_options() {
  return {.limits = {.max_num_seqs = 2,
                     .max_num_rows = 8,
                     .max_num_logit_rows = 4,
                     .max_model_len = 64,
                     .num_pages = 4,
                     .vocab_size = 100,
                     .num_choosable_tokens = 100},
          .tokens = {.plain = {1, 2, 3, 4, 5, 6, 7, 8}}};
}

step_batch first_step() {
  return {.id = {1},
          .starts = {{.slot = 0, .history = {9, 9, 9}, .num_prompt_tokens = 3}},
          .chunks = {{.slot = 0, .num_tokens = 3, .num_pages = 1, .sample = true}},
          .tokens = {9, 9, 9},
          .page_table = {0}};
}

step_batch next_step(std::uint32_t position) {
  return {.id = {position},
          .chunks = {{.slot = 0,
                      .num_tokens = 1,
                      .first_position = position,
                      .num_pages = 1,
                      .sample = true}},
          .tokens = {last_sampled},
          .page_table = {0}};
}

}  // namespace

TEST_CASE("rank 0 answers one sample for each chunk that samples, the others none") {
  auto options = make_options();
  options.tp_size = 2;
  auto ranks = make_sim_runner_factory(options)();
  REQUIRE(ranks.size() == 2);
  auto first = ranks[0]->run(first_step());
  REQUIRE(first.samples.size() == 1);
  CHECK(first.samples[0].slot == 0);
  CHECK(ranks[1]->run(first_step()).samples.empty());
}

TEST_CASE("null and sim answer the same") {
  auto options = make_options();
  sim_runner at_once(options, 0);
  options.clock = std::make_shared<fake_clock>();
  options.step_seconds = [](const step_batch&) { return 0.5; };
  sim_runner in_time(options, 0);
  CHECK(at_once.run(first_step()).samples[0].sampled.token ==
        in_time.run(first_step()).samples[0].sampled.token);
  CHECK(at_once.run(next_step(3)).samples[0].sampled.token ==
        in_time.run(next_step(3)).samples[0].sampled.token);
}

TEST_CASE("drafts count while they are what is drawn") {
  sim_runner plain(make_options(), 0);
  plain.run(first_step());
  std::vector<token_id> drawn;
  for (std::uint32_t position : {3U, 4U, 5U, 6U})
    drawn.push_back(plain.run(next_step(position)).samples[0].sampled.token);
  auto with_drafts = [](std::vector<token_id> drafts) {
    auto step = next_step(3);
    step.tokens.insert(step.tokens.end(), drafts.begin(), drafts.end());
    step.chunks[0].num_tokens += static_cast<std::uint32_t>(drafts.size());
    step.chunks[0].num_drafts = static_cast<std::uint32_t>(drafts.size());
    return step;
  };
  for (std::uint32_t num_right = 0; num_right <= 3; ++num_right) {
    sim_runner device(make_options(), 0);
    device.run(first_step());
    std::vector<token_id> drafts(drawn.begin(), drawn.begin() + 3);
    if (num_right < 3) drafts[num_right] = 50;  // never drawn
    const auto samples = device.run(with_drafts(drafts)).samples;
    REQUIRE(samples.size() == num_right + 1);
    for (std::uint32_t i = 0; i < samples.size(); ++i) CHECK(samples[i].sampled.token == drawn[i]);
    // What comes next does not know of the guesses.
    if (num_right < 3)
      CHECK(device.run(next_step(4 + num_right)).samples[0].sampled.token == drawn[num_right + 1]);
  }
}

TEST_CASE("a step that waited begins when the one before ended, however late the sleeper woke") {
  auto options = make_options();
  auto clock = std::make_shared<fake_clock>();
  options.clock = clock;
  options.step_seconds = [](const step_batch&) { return 0.010; };
  sim_runner device(options, 0);
  const auto begin = clock->time;
  clock->overshoot = 80us;
  device.run(first_step());
  CHECK(clock->slept_until == begin + 10ms);
  device.run(next_step(3));
  CHECK(clock->slept_until == begin + 20ms);
  clock->time += 1s;  // nobody asked for anything
  const auto later = clock->time;
  device.run(next_step(4));
  CHECK(clock->slept_until == later + 10ms);
}

TEST_CASE("a step that makes no sense is refused") {
  sim_runner device(make_options(), 0);
  CHECK_THROWS_AS(device.run(next_step(3)), device_error);
}
