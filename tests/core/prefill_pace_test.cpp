#include "core/prefill_pace.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace troupe;

namespace {

// A device on which a row takes `row` seconds and reading the weights `weights`.
struct device {
  double weights;
  double row;
  double seconds(const step_shape& shape) const {
    return weights + row * (shape.prefill_tokens + shape.decode_tokens);
  }
};

step_shape run_step(prefill_pace& pace, const device& d, std::uint32_t num_decoding) {
  const step_shape shape{pace.max_rows(), num_decoding};
  pace.observe(shape, d.seconds(shape));
  return shape;
}

}  // namespace

TEST_CASE("steps stay within three times of decoding alone, however dear a row is") {
  for (const double row : {1e-5, 1e-3, 5e-3}) {
    const device d{0.03, row};
    prefill_pace pace;
    pace.observe({0, 8}, d.seconds({0, 8}));
    for (int i = 0; i < 40; ++i) run_step(pace, d, 8);
    const double alone = d.seconds({0, 8});
    for (int i = 0; i < 100; ++i) {
      const auto shape = run_step(pace, d, 8);
      CAPTURE(row);
      CAPTURE(shape.prefill_tokens);
      CHECK((d.seconds(shape) < 3 * alone || shape.prefill_tokens == prefill_pace::least_rows));
      // Nor is the promise kept by doing nothing.
      if (shape.prefill_tokens > prefill_pace::least_rows) CHECK(d.seconds(shape) > 2 * alone);
    }
  }
}

TEST_CASE("rows that become dearer become fewer") {
  prefill_pace pace;
  pace.observe({0, 8}, 0.04);
  for (int i = 0; i < 40; ++i) run_step(pace, {0.03, 1e-3}, 8);
  const auto before = pace.max_rows();
  for (int i = 0; i < 20; ++i) run_step(pace, {0.03, 2e-3}, 8);
  CHECK(pace.max_rows() < before);
}

TEST_CASE("now and then a step decodes alone, so that more decoding sequences are noticed") {
  prefill_pace pace;
  pace.observe({0, 1}, 0.03);
  int num_alone = 0;
  for (int i = 0; i < 330; ++i) num_alone += run_step(pace, {0.03, 1e-3}, 64).prefill_tokens == 0;
  CHECK(num_alone == 10);
  // 94 ms alone by now, not 30.
  CHECK(pace.max_rows() > 60);
}

TEST_CASE("what says nothing changes nothing") {
  prefill_pace pace;
  const auto before = pace.max_rows();
  pace.observe({512, 0}, 1.0);
  pace.observe({0, 4}, 0.0);
  pace.observe({100, 4}, 1.0);  // what decoding takes is not known yet
  CHECK(pace.max_rows() == before);
}
