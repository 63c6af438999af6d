#include "core/prefill_pace.hpp"

#include <algorithm>

namespace troupe {
namespace {

// A step that was disturbed counts for little, a change of load is followed within a dozen.
constexpr double weight_of_new = 0.2;

double smoothed(double before, double now) { return before + weight_of_new * (now - before); }

}  // namespace

void prefill_pace::observe(const step_shape& shape, double seconds) {
  if (shape.decode_tokens == 0 || !(seconds > 0)) return;
  if (shape.prefill_tokens == 0) {
    decode_seconds_ = decode_seconds_ > 0 ? smoothed(decode_seconds_, seconds) : seconds;
    num_rounds_ = 0;
    return;
  }
  num_rounds_ = std::min(num_rounds_ + 1, rounds_until_look);
  if (!(decode_seconds_ > 0)) return;
  const double spare = (max_slowdown - 1) * decode_seconds_;
  const double used = std::max(seconds - decode_seconds_, 0.05 * decode_seconds_);
  const double fitting = shape.prefill_tokens * spare / used;
  rows_ = std::clamp<double>(smoothed(rows_, fitting), least_rows, most_rows);
}

}  // namespace troupe
