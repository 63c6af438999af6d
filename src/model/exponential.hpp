// One exponential for every device: the same bits for the same input wherever it is compiled.
// Products and sums are rounded one by one (no fused multiply-add), so that plain C++, SIMD and
// CUDA's __fmul_rn/__fadd_rn agree; a sampled token then depends on logits and seed alone.
#pragma once
#include <bit>
#include <cstdint>

namespace troupe {

// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln(2) / 2. exp(r) = 1 + r + r^2 * p(r);
// p minimises the largest relative error, 3.1e-9 before rounding to float.
struct exponential_constants {
  static constexpr float inverse_ln2 = 0x1.715476p+0F;
  // Adding it rounds to an integer, which then stands in the low bits of the sum.
  static constexpr float round_to_int = 0x1.8p+23F;
  // ln 2 in two parts: n * ln2_high is exact for |n| < 2^15.
  static constexpr float ln2_high = 0x1.62p-1F;
  static constexpr float ln2_low = 0x1.c85fep-10F;
  static constexpr float p0 = 0x1.fffffcp-2F;
  static constexpr float p1 = 0x1.555492p-3F;
  static constexpr float p2 = 0x1.5558f2p-5F;
  static constexpr float p3 = 0x1.123a2p-7F;
  static constexpr float p4 = 0x1.6a23cep-10F;
  // Below, the result would be subnormal: it is exactly 0 instead.
  static constexpr float lowest = -87.0F;
  static constexpr float highest = 88.0F;
};

// Within 2e-7 of exp(x), relative; 0 below -87, exp(88) above 88; NaN stays NaN.
constexpr float exponential(float x) {
  using c = exponential_constants;
  const float limited = x > c::highest ? c::highest : x;
  const float inside = limited < c::lowest ? c::lowest : limited;
  const float shifted = inside * c::inverse_ln2 + c::round_to_int;
  const float n = shifted - c::round_to_int;
  const float r = (inside - n * c::ln2_high) - n * c::ln2_low;
  const float p = (((c::p4 * r + c::p3) * r + c::p2) * r + c::p1) * r + c::p0;
  const float fraction = (r * r) * p + r + 1.0F;
  // The integer n goes straight into the exponent field.
  const float scale = std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127U) << 23U);
  const float result = fraction * scale;
  return limited < c::lowest ? 0.0F : result;
}

}  // namespace troupe
