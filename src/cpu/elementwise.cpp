// Operations on one row: norm, activation, rounding.
#include <cmath>

#include "cpu/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/elementwise.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {

// Sixteen interleaved partial sums, then one fixed tree; a missing tail counts as zeros.
float sum_of_squares(const float* x, std::uint32_t width) {
  const float_tag d;
  float_vector sums[group_vectors];
  for (auto& s : sums) s = hn::Zero(d);
  std::uint32_t i = 0;
  for (; i + group_lanes <= width; i += group_lanes) {
    for (std::size_t v = 0; v < group_vectors; ++v) {
      const auto value = hn::LoadU(d, x + i + v * vector_lanes);
      sums[v] = hn::MulAdd(value, value, sums[v]);
    }
  }
  alignas(64) float tail[group_lanes] = {};
  for (std::uint32_t t = 0; i + t < width; ++t) tail[t] = x[i + t];
  alignas(64) float lanes[group_lanes];
  for (std::size_t v = 0; v < group_vectors; ++v) {
    const auto value = hn::LoadU(d, tail + v * vector_lanes);
    hn::StoreU(hn::MulAdd(value, value, sums[v]), d, lanes + v * vector_lanes);
  }
  return sum_of_group(lanes);
}

// Calls body(i) for whole vectors and, for what remains, on copies: body reads in[k][lane..] and
// answers a vector for out.
template <std::size_t kInputs, class Body>
HWY_INLINE void map_row(const float* const (&inputs)[kInputs], std::uint32_t width, float* out,
                        const Body& body) {
  const float_tag d;
  std::uint32_t i = 0;
  float_vector values[kInputs];
  for (; i + vector_lanes <= width; i += vector_lanes) {
    for (std::size_t k = 0; k < kInputs; ++k) values[k] = hn::LoadU(d, inputs[k] + i);
    hn::StoreU(body(values), d, out + i);
  }
  if (i == width) return;
  alignas(64) float tail[kInputs][group_lanes] = {};
  for (std::size_t k = 0; k < kInputs; ++k) {
    for (std::uint32_t t = 0; i + t < width; ++t) tail[k][t] = inputs[k][i + t];
    values[k] = hn::LoadU(d, tail[k]);
  }
  alignas(64) float results[group_lanes];
  hn::StoreU(body(values), d, results);
  for (std::uint32_t t = 0; i + t < width; ++t) out[i + t] = results[t];
}

HWY_INLINE float_vector rounded(float_vector x, rounding round) {
  return round == rounding::to_bfloat16 ? rounded_to_bfloat16(x) : x;
}

}  // namespace

void norm_row(const norm_args& args, float* out) {
  if (args.addend != nullptr) {
    const float* const terms[2] = {args.residual, args.addend};
    map_row(terms, args.width, args.residual,
            [](const auto& v) HWY_ATTR { return hn::Add(v[0], v[1]); });
  }
  const float mean = sum_of_squares(args.residual, args.width) / static_cast<float>(args.width);
  const float inverse = 1.0F / std::sqrt(mean + args.eps);
  const float* const factors[2] = {args.residual, args.weight};
  map_row(factors, args.width, out, [&](const auto& v) HWY_ATTR {
    return rounded(hn::Mul(hn::Mul(v[0], splat(inverse)), v[1]), args.round);
  });
}

void silu_row(const float* gate, const float* up, std::uint32_t width, rounding round, float* out) {
  const float* const inputs[2] = {gate, up};
  map_row(inputs, width, out, [&](const auto& v) HWY_ATTR {
    const auto sigmoid_inverse = hn::Add(splat(1.0F), exponential_of(hn::Neg(v[0])));
    return rounded(hn::Mul(hn::Div(v[0], sigmoid_inverse), v[1]), round);
  });
}

void round_row(float* values, std::size_t count) {
  const float* const inputs[1] = {values};
  map_row(inputs, static_cast<std::uint32_t>(count), values,
          [](const auto& v) HWY_ATTR { return rounded_to_bfloat16(v[0]); });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {

HWY_EXPORT(norm_row);
HWY_EXPORT(silu_row);
HWY_EXPORT(round_row);

void add_rms_norm(const norm_args& args, float* out) { HWY_DYNAMIC_DISPATCH(norm_row)(args, out); }

void silu_mul(const float* gate, const float* up, std::uint32_t width, rounding round, float* out) {
  HWY_DYNAMIC_DISPATCH(silu_row)(gate, up, width, round, out);
}

void round_to_bfloat16(float* values, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(round_row)(values, count);
}

}  // namespace troupe::kernels
#endif
