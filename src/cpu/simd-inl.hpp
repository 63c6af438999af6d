// What the SIMD kernels share. Included once per target by foreach_target.h, hence the toggle.
#if defined(TROUPE_CPU_SIMD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_CPU_SIMD_INL_HPP
#undef TROUPE_CPU_SIMD_INL_HPP
#else
#define TROUPE_CPU_SIMD_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include "core/numeric.hpp"
#include "model/exponential.hpp"

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A group is 16 floats: as many vectors as the target needs for it.
inline constexpr std::size_t group_lanes = 16;
#if HWY_TARGET == HWY_SCALAR
inline constexpr std::size_t vector_lanes = 1;
#else
inline constexpr std::size_t vector_lanes = HWY_LANES(float) < 16 ? HWY_LANES(float) : 16;
#endif
inline constexpr std::size_t group_vectors = group_lanes / vector_lanes;

using float_tag = hn::CappedTag<float, vector_lanes>;
using word_tag = hn::RebindToUnsigned<float_tag>;
using float_vector = hn::Vec<float_tag>;

HWY_INLINE float_vector splat(float x) { return hn::Set(float_tag(), x); }

// Two elements of a weight, key or value matrix that are neighbours in the reduced dimension.
struct float32_format {
  static constexpr std::size_t rows_per_word = 1;
  // Element `parity` of the pair that starts at `row`; `words` points at the pair's first lane,
  // `row_words` is the distance between rows.
  template <int kParity>
  static HWY_INLINE float_vector load(const std::uint32_t* words, std::size_t row_words) {
    return hn::BitCast(float_tag(), hn::LoadU(word_tag(), words + kParity * row_words));
  }
};

struct bfloat16_format {
  static constexpr std::size_t rows_per_word = 2;
  template <int kParity>
  static HWY_INLINE float_vector load(const std::uint32_t* words, std::size_t) {
    const auto pair = hn::LoadU(word_tag(), words);
    if constexpr (kParity == 0) {
      return hn::BitCast(float_tag(), hn::ShiftLeft<16>(pair));
    } else {
      return hn::BitCast(float_tag(), hn::And(pair, hn::Set(word_tag(), 0xFFFF0000U)));
    }
  }
};

// exponential() of model/exponential.hpp, lane by lane and bit by bit.
HWY_INLINE float_vector exponential_of(float_vector x) {
  using c = exponential_constants;
  const float_tag d;
  const word_tag dw;
  const auto limited = hn::IfThenElse(hn::Gt(x, splat(c::highest)), splat(c::highest), x);
  const auto too_low = hn::Lt(limited, splat(c::lowest));
  const auto inside = hn::IfThenElse(too_low, splat(c::lowest), limited);
  const auto shifted = hn::Add(hn::Mul(inside, splat(c::inverse_ln2)), splat(c::round_to_int));
  const auto n = hn::Sub(shifted, splat(c::round_to_int));
  const auto r =
      hn::Sub(hn::Sub(inside, hn::Mul(n, splat(c::ln2_high))), hn::Mul(n, splat(c::ln2_low)));
  auto p = hn::Add(hn::Mul(splat(c::p4), r), splat(c::p3));
  p = hn::Add(hn::Mul(p, r), splat(c::p2));
  p = hn::Add(hn::Mul(p, r), splat(c::p1));
  p = hn::Add(hn::Mul(p, r), splat(c::p0));
  const auto fraction = hn::Add(hn::Add(hn::Mul(hn::Mul(r, r), p), r), splat(1.0F));
  const auto scale =
      hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::BitCast(dw, shifted), hn::Set(dw, 127U))));
  return hn::IfThenZeroElse(too_low, hn::Mul(fraction, scale));
}

// Rounds to bfloat16's precision as to_bfloat16 does; the result is still a float.
HWY_INLINE float_vector rounded_to_bfloat16(float_vector x) {
  const float_tag d;
  const word_tag dw;
  const auto bits = hn::BitCast(dw, x);
  const auto upper_is_odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(dw, 1U));
  const auto rounded =
      hn::And(hn::Add(hn::Add(bits, hn::Set(dw, 0x7FFFU)), upper_is_odd), hn::Set(dw, 0xFFFF0000U));
  return hn::IfThenElse(hn::IsNaN(x), x, hn::BitCast(d, rounded));
}

// The sum of 16 partial sums in one fixed order: halves are added to each other.
HWY_INLINE float sum_of_group(const float* lanes) {
  float half[8];
  for (int i = 0; i < 8; ++i) half[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) half[i] += half[i + 4];
  return (half[0] + half[2]) + (half[1] + half[3]);
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
