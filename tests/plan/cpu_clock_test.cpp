#include "plan/cpu_clock.hpp"

#include <doctest/doctest.h>

#include "sim/step_time.hpp"

using namespace troupe;
using namespace troupe::planning;

namespace {

engine_limits make_limits() {
  engine_limits out;
  out.max_num_seqs = 32;
  out.max_num_batched_tokens = 512;
  out.max_model_len = 4096;
  out.num_pages = 8192;
  return out;
}

// A machine whose steps are known: what the fit has to find.
double machine_seconds(double rows, double logit_rows, double read, double attended) {
  return 0.010 + 1e-4 * rows + 2e-4 * logit_rows + 3e-8 * read + 5e-9 * attended;
}

double machine_seconds(const probe& one) {
  const double rows = one.rows_each, before = one.context;
  return machine_seconds(one.rows(), one.has_logits ? one.num_seqs : 0,
                         one.num_seqs * (before + rows),
                         one.num_seqs * (rows * before + rows * (rows + 1) / 2));
}

cpu_clock fit(const engine_limits& limits) {
  const auto probes = choose_probes(limits);
  std::vector<double> seconds;
  for (const auto& one : probes) seconds.push_back(machine_seconds(one));
  return fit_clock(probes, seconds);
}

step_batch make_batch(std::uint32_t num_seqs, std::uint32_t rows_each, std::uint32_t context) {
  step_batch out;
  for (std::uint32_t i = 0; i < num_seqs; ++i)
    out.chunks.push_back(
        {.slot = i, .num_tokens = rows_each, .first_position = context, .sample = true});
  return out;
}

}  // namespace

TEST_CASE("a curve is straight between its points and goes on beyond them") {
  curve line;
  CHECK(line.at(3) == 0);
  line.add(2, 10);
  CHECK(line.at(1) == 10);
  CHECK(line.at(9) == 10);
  line.add(4, 20);
  CHECK(line.at(2) == 10);
  CHECK(line.at(3) == doctest::Approx(15));
  CHECK(line.at(6) == doctest::Approx(30));
}

TEST_CASE("the fit finds the machine that was measured") {
  const auto clock = fit(make_limits());
  CHECK(clock.seconds_per_attended == doctest::Approx(5e-9).epsilon(0.05));
  CHECK(clock.seconds_per_read == doctest::Approx(3e-8).epsilon(0.05));
  for (const auto& [seqs, rows, context] : {std::tuple{1U, 1U, 300U},
                                            {13U, 1U, 700U},
                                            {32U, 1U, 2000U},
                                            {1U, 400U, 0U},
                                            {2U, 200U, 900U}}) {
    const auto batch = make_batch(seqs, rows, context);
    const auto load = measure_load(batch);
    CHECK(clock.time(batch) ==
          doctest::Approx(machine_seconds(load.num_rows, load.num_logit_rows,
                                          static_cast<double>(load.num_read),
                                          static_cast<double>(load.num_attended)))
              .epsilon(0.03));
  }
  CHECK(clock.time({}) == 0);
}

TEST_CASE("every probe fits the limits") {
  for (const auto& [seqs, rows, length] :
       {std::tuple{64U, 512U, 4096U}, {1U, 1U, 64U}, {3U, 100U, 120U}, {200U, 512U, 600U}}) {
    engine_limits limits;
    limits.max_num_seqs = seqs;
    limits.max_num_batched_tokens = std::max(rows, seqs);
    limits.max_model_len = length;
    for (const auto& one : choose_probes(limits)) {
      CHECK(one.num_seqs <= seqs);
      CHECK(one.rows() <= limits.max_num_batched_tokens);
      CHECK(one.context + one.rows_each <= length);
      CHECK(one.rows_each >= 1);
    }
  }
}
