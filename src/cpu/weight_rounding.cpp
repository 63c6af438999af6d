#include "cpu/weight_rounding.hpp"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/weight_rounding.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {

// What the integers of a group mean.
struct group_steps {
  float16 scale;
  std::int32_t zero = 0;
  std::int32_t lowest = 0;
  std::int32_t highest = 0;
};

HWY_INLINE int_vector integers_of(float_vector weights, const group_steps& steps) {
  const int_tag d;
  const float scale = to_float(steps.scale);
  const auto inverse = splat(scale != 0 ? 1.0F / scale : 0.0F);
  const auto nearest = hn::NearestInt(hn::Mul(weights, inverse));
  const auto shifted = hn::Add(nearest, hn::Set(d, steps.zero));
  return hn::Min(hn::Max(shifted, hn::Set(d, steps.lowest)), hn::Set(d, steps.highest));
}

// Without fused steps and in sixteen parts, so that every target finds the same.
HWY_INLINE float squared_error(const float* group, const group_steps& steps) {
  const float_tag d;
  const auto scale = splat(to_float(steps.scale));
  const auto zero = hn::Set(int_tag(), steps.zero);
  alignas(64) float lanes[group_lanes];
  for (std::size_t first = 0; first < group_lanes; first += vector_lanes) {
    auto sum = hn::Zero(d);
    for (std::size_t i = first; i < group_size; i += group_lanes) {
      const auto weights = hn::LoadU(d, group + i);
      const auto steps_away = hn::Sub(integers_of(weights, steps), zero);
      const auto error = hn::Sub(hn::Mul(hn::ConvertTo(d, steps_away), scale), weights);
      sum = hn::Add(sum, hn::Mul(error, error));
    }
    hn::StoreU(sum, d, lanes + first);
  }
  return sum_of_group(lanes);
}

struct value_range {
  float lowest;
  float highest;
};

// Zero is always within.
HWY_INLINE value_range range_of(const float* group) {
  const float_tag d;
  auto low = hn::Zero(d);
  auto high = hn::Zero(d);
  for (std::size_t i = 0; i < group_size; i += vector_lanes) {
    const auto weights = hn::LoadU(d, group + i);
    low = hn::Min(low, weights);
    high = hn::Max(high, weights);
  }
  return {hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high))};
}

group_steps symmetric_steps(const value_range& range) {
  return {to_float16(std::max(-range.lowest, range.highest) / 127), 128, 1, 255};
}

group_steps steps_within(const value_range& range, float part) {
  constexpr std::int32_t highest = 15;
  group_steps out{to_float16((range.highest - range.lowest) * part / highest), 0, 0, highest};
  const float scale = to_float(out.scale);
  if (!(scale > 0)) return out;
  const float zero = std::min(-range.lowest * part / scale, static_cast<float>(highest));
  out.zero = static_cast<std::int32_t>(std::lrint(zero));
  return out;
}

HWY_INLINE group_steps best_steps(const float* group, const value_range& range) {
  group_steps best = steps_within(range, 1);
  float lowest_error = squared_error(group, best);
  for (const float part : {0.95F, 0.9F, 0.85F}) {
    const group_steps steps = steps_within(range, part);
    const float error = squared_error(group, steps);
    if (error >= lowest_error) continue;
    lowest_error = error;
    best = steps;
  }
  return best;
}

}  // namespace

// `group`: 128 weights, zeros behind the row's end.
void round_group(const float* group, std::uint32_t bits, std::size_t g, integer_row& out) {
  const value_range range = range_of(group);
  const group_steps steps = bits == 8 ? symmetric_steps(range) : best_steps(group, range);
  out.scales[g] = steps.scale;
  out.zeros[g] = static_cast<std::uint8_t>(steps.zero);
  alignas(64) std::int32_t integers[group_size];
  for (std::size_t i = 0; i < group_size; i += vector_lanes) {
    hn::StoreU(integers_of(hn::LoadU(float_tag(), group + i), steps), int_tag(), integers + i);
  }
  const std::size_t first = g * group_size;
  const std::size_t count = std::min<std::size_t>(group_size, out.values.size() - first);
  for (std::size_t i = 0; i < count; ++i) {
    out.values[first + i] = static_cast<std::uint8_t>(integers[i]);
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {

HWY_EXPORT(round_group);

void round_to_integers(std::span<const float> row, std::uint32_t bits, integer_row& out) {
  out.resize(static_cast<std::uint32_t>(row.size()));
  for (std::size_t g = 0; g < out.scales.size(); ++g) {
    const auto rest = row.subspan(g * group_size);
    if (rest.size() >= group_size) {
      HWY_DYNAMIC_DISPATCH(round_group)(rest.data(), bits, g, out);
    } else {
      alignas(64) float tail[group_size] = {};
      std::ranges::copy(rest, tail);
      HWY_DYNAMIC_DISPATCH(round_group)(tail, bits, g, out);
    }
  }
}

}  // namespace troupe::kernels
#endif
