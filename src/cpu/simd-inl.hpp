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
#include "cpu/pair_instruction.hpp"
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
using int_tag = hn::RebindToSigned<float_tag>;
using float_vector = hn::Vec<float_tag>;
using int_vector = hn::Vec<int_tag>;

HWY_INLINE float_vector splat(float x) { return hn::Set(float_tag(), x); }

// Sixteen-bit lanes as many as a float_vector has.
using half_tag = hn::Rebind<std::uint16_t, float_tag>;

// Rounds to bfloat16 as to_bfloat16 does. A NaN may lose its payload, not its being one.
HWY_INLINE hn::Vec<half_tag> to_bfloat16_bits(float_vector x) {
  const word_tag dw;
  const auto bits = hn::BitCast(dw, x);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto upper_is_odd = hn::And(upper, hn::Set(dw, 1U));
  const auto sum = hn::Add(hn::Add(bits, hn::Set(dw, 0x7FFFU)), upper_is_odd);
  const auto quiet = hn::Or(upper, hn::Set(dw, 0x0040U));
  const auto is_nan = hn::RebindMask(dw, hn::IsNaN(x));
  return hn::TruncateTo(half_tag(), hn::IfThenElse(is_nan, quiet, hn::ShiftRight<16>(sum)));
}

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

// 2^x for x <= 0 within 3e-6, relative, which bfloat16 does not see; exactly 1 for 0 and 0 below
// -120. NaN stays NaN.
HWY_INLINE float_vector power_of_two(float_vector x) {
  const word_tag dw;
  const auto round_to_int = splat(exponential_constants::round_to_int);
  const auto inside = hn::Max(splat(-120.0F), x);
  const auto shifted = hn::Add(inside, round_to_int);
  const auto f = hn::Sub(inside, hn::Sub(shifted, round_to_int));
  auto p = hn::MulAdd(splat(0x1.3a01ep-7F), f, splat(0x1.c9fbf8p-5F));
  p = hn::MulAdd(p, f, splat(0x1.ec0378p-3F));
  p = hn::MulAdd(p, f, splat(0x1.62e12ep-1F));
  p = hn::MulAdd(p, f, splat(1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(dw, shifted));
  const auto scaled = hn::BitCast(float_tag(), hn::Add(hn::BitCast(dw, p), exponent));
  return hn::IfThenZeroElse(hn::Lt(x, splat(-120.0F)), scaled);
}

// What is multiplied: 32-bit words of one float, or of two bfloat16 that are neighbours in the
// reduced dimension, the even one in the lower half. `multiply_add` adds a word's products to a
// sum, the odd one first: that is what the machine's own instruction does where it has one.
struct float32_format {
  static constexpr bool is_integer = false;
  static constexpr std::uint32_t elements_per_word = 1;
  // exp(x * scale(s)) = exp(x * s)
  static HWY_INLINE float scale(float s) { return s; }
  static HWY_INLINE float_vector exp(float_vector x) { return exponential_of(x); }
  static HWY_INLINE void store(float_vector x, std::uint32_t* words, std::size_t element) {
    hn::StoreU(hn::BitCast(word_tag(), x), word_tag(), words + element);
  }
  using operand = float_vector;
  static HWY_INLINE operand load(const std::uint32_t* words) {
    return hn::BitCast(float_tag(), hn::LoadU(word_tag(), words));
  }
  static HWY_INLINE operand load_even(const std::uint32_t* words) { return load(words); }
  static HWY_INLINE operand spread(std::uint32_t word) {
    return hn::BitCast(float_tag(), hn::Set(word_tag(), word));
  }
  static HWY_INLINE float_vector multiply_add(operand x, operand w, float_vector sum) {
    return hn::MulAdd(x, w, sum);
  }
};

struct bfloat16_words {
  static constexpr bool is_integer = false;
  static constexpr std::uint32_t elements_per_word = 2;
  static HWY_INLINE float scale(float s) { return s * 0x1.715476p+0F; }  // 1 / ln 2
  static HWY_INLINE float_vector exp(float_vector x) { return power_of_two(x); }
  static HWY_INLINE void store(float_vector x, std::uint32_t* words, std::size_t element) {
    auto* halves = reinterpret_cast<std::uint16_t*>(words);
    hn::StoreU(to_bfloat16_bits(x), half_tag(), halves + element);
  }
};

struct bfloat16_format : bfloat16_words {
  struct operand {
    float_vector even;
    float_vector odd;
  };
  static HWY_INLINE operand split(hn::Vec<word_tag> words) {
    return {hn::BitCast(float_tag(), hn::ShiftLeft<16>(words)),
            hn::BitCast(float_tag(), hn::And(words, hn::Set(word_tag(), 0xFFFF0000U)))};
  }
  static HWY_INLINE operand load(const std::uint32_t* words) {
    return split(hn::LoadU(word_tag(), words));
  }
  // The odd elements are zeros, whatever stands in memory.
  static HWY_INLINE operand load_even(const std::uint32_t* words) {
    return {load(words).even, hn::Zero(float_tag())};
  }
  static HWY_INLINE operand spread(std::uint32_t word) { return split(hn::Set(word_tag(), word)); }
  static HWY_INLINE float_vector multiply_add(const operand& x, const operand& w,
                                              float_vector sum) {
    return hn::MulAdd(x.even, w.even, hn::MulAdd(x.odd, w.odd, sum));
  }
};

// Integers of weights from 0 to 255 and of activations from -127 to 127, four in a word of
// operands. A sum starts at the activations' negative sum times the weights' zero point, which
// stands in the lower half of a group's head. The sums are exact.
struct byte_words {
  static HWY_INLINE int_vector start(hn::Vec<word_tag> head, std::uint32_t negative_sum) {
    const auto zeros = hn::BitCast(int_tag(), hn::And(head, hn::Set(word_tag(), 0xFFFFU)));
    return hn::Mul(zeros, hn::Set(int_tag(), static_cast<std::int16_t>(negative_sum)));
  }
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  using half_int_tag = hn::Repartition<std::int16_t, int_tag>;
  struct operand {
    hn::Vec<half_int_tag> even;
    hn::Vec<half_int_tag> odd;
  };
  static HWY_INLINE operand weights_of(hn::Vec<word_tag> words) {
    return {hn::BitCast(half_int_tag(), hn::And(words, hn::Set(word_tag(), 0x00FF00FFU))),
            hn::BitCast(half_int_tag(),
                        hn::And(hn::ShiftRight<8>(words), hn::Set(word_tag(), 0x00FF00FFU)))};
  }
  static HWY_INLINE operand spread(std::uint32_t word) {
    const auto bytes = hn::BitCast(half_int_tag(), hn::Set(word_tag(), word));
    return {hn::ShiftRight<8>(hn::ShiftLeft<8>(bytes)), hn::ShiftRight<8>(bytes)};
  }
  static HWY_INLINE int_vector multiply_add(const operand& x, const operand& w, int_vector sum) {
    auto none = hn::Zero(int_tag());
    sum = hn::ReorderWidenMulAccumulate(int_tag(), x.even, w.even, sum, none);
    return hn::ReorderWidenMulAccumulate(int_tag(), x.odd, w.odd, sum, none);
  }
#else
  using operand = int_vector;
  static HWY_INLINE operand weights_of(hn::Vec<word_tag> words) {
    return hn::BitCast(int_tag(), words);
  }
  static HWY_INLINE operand spread(std::uint32_t word) {
    return hn::BitCast(int_tag(), hn::Set(word_tag(), word));
  }
  template <int kByte>
  static HWY_INLINE int_vector product(operand x, operand w) {
    const auto activation = hn::ShiftRight<24>(hn::ShiftLeft<24 - 8 * kByte>(x));
    const auto weight =
        hn::ShiftRight<24>(hn::BitCast(word_tag(), hn::ShiftLeft<24 - 8 * kByte>(w)));
    return hn::Mul(activation, hn::BitCast(int_tag(), weight));
  }
  static HWY_INLINE int_vector multiply_add(operand x, operand w, int_vector sum) {
    sum = hn::Add(hn::Add(sum, product<0>(x, w)), product<1>(x, w));
    return hn::Add(hn::Add(sum, product<2>(x, w)), product<3>(x, w));
  }
#endif
};

HWY_INLINE float_vector floats_of(const std::uint16_t* bfloat16_bits) {
  const auto bits = hn::PromoteTo(word_tag(), hn::LoadU(half_tag(), bfloat16_bits));
  return hn::BitCast(float_tag(), hn::ShiftLeft<16>(bits));
}

// What int8 attention multiplies, exactly: words of four keys' bytes from 0 to 255 with four of a
// query's from -127 to 127, and pairs of 16-bit weights with pairs of values' bytes.
struct byte_products {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  using half_int_tag = hn::Repartition<std::int16_t, int_tag>;
  using pairs = hn::Vec<half_int_tag>;
  struct operand {
    pairs even;
    pairs odd;
  };
  static HWY_INLINE operand load_keys(const std::uint32_t* words) {
    const auto both = hn::LoadU(word_tag(), words);
    const auto low = hn::Set(word_tag(), 0x00FF00FFU);
    return {hn::BitCast(half_int_tag(), hn::And(both, low)),
            hn::BitCast(half_int_tag(), hn::And(hn::ShiftRight<8>(both), low))};
  }
  static HWY_INLINE operand spread_query(std::uint32_t word) {
    const auto both = spread_pair(word);
    return {hn::ShiftRight<8>(hn::ShiftLeft<8>(both)), hn::ShiftRight<8>(both)};
  }
  static HWY_INLINE int_vector add_keys(const operand& x, const operand& keys, int_vector sum) {
    return add_values(x.odd, keys.odd, add_values(x.even, keys.even, sum));
  }
  static HWY_INLINE pairs load_values(const std::int8_t* bytes) {
    const hn::Rebind<std::int8_t, half_int_tag> d8;
    return hn::PromoteTo(half_int_tag(), hn::LoadU(d8, bytes));
  }
  static HWY_INLINE pairs spread_pair(std::uint32_t word) {
    return hn::BitCast(half_int_tag(), hn::Set(word_tag(), word));
  }
  static HWY_INLINE int_vector add_values(pairs x, pairs values, int_vector sum) {
    auto none = hn::Zero(int_tag());
    return hn::ReorderWidenMulAccumulate(int_tag(), x, values, sum, none);
  }
#else
  struct pairs {
    int_vector even;
    int_vector odd;
  };
  using operand = hn::Vec<word_tag>;
  static HWY_INLINE operand load_keys(const std::uint32_t* words) {
    return hn::LoadU(word_tag(), words);
  }
  static HWY_INLINE operand spread_query(std::uint32_t word) { return hn::Set(word_tag(), word); }
  // The byte at that place of each lane, with its sign.
  template <int kByte>
  static HWY_INLINE int_vector signed_byte(hn::Vec<word_tag> words) {
    return hn::ShiftRight<24>(hn::BitCast(int_tag(), hn::ShiftLeft<24 - 8 * kByte>(words)));
  }
  template <int kByte>
  static HWY_INLINE int_vector product(operand x, operand keys) {
    const auto key = hn::ShiftRight<24>(hn::ShiftLeft<24 - 8 * kByte>(keys));
    return hn::Mul(signed_byte<kByte>(x), hn::BitCast(int_tag(), key));
  }
  static HWY_INLINE int_vector add_keys(operand x, operand keys, int_vector sum) {
    sum = hn::Add(hn::Add(sum, product<0>(x, keys)), product<1>(x, keys));
    return hn::Add(hn::Add(sum, product<2>(x, keys)), product<3>(x, keys));
  }
  static HWY_INLINE pairs load_values(const std::int8_t* bytes) {
    const auto* halves = reinterpret_cast<const std::uint16_t*>(bytes);
    const auto words = hn::PromoteTo(word_tag(), hn::LoadU(half_tag(), halves));
    return {signed_byte<0>(words), signed_byte<1>(words)};
  }
  static HWY_INLINE pairs spread_pair(std::uint32_t word) {
    const auto both = hn::BitCast(int_tag(), hn::Set(word_tag(), word));
    return {hn::ShiftRight<16>(hn::ShiftLeft<16>(both)), hn::ShiftRight<16>(both)};
  }
  static HWY_INLINE int_vector add_values(const pairs& x, const pairs& values, int_vector sum) {
    sum = hn::Add(sum, hn::Mul(x.even, values.even));
    return hn::Add(sum, hn::Mul(x.odd, values.odd));
  }
#endif
};

// The scales in the upper halves of the groups' heads.
HWY_INLINE float_vector scales_of(hn::Vec<word_tag> head) {
  const hn::Rebind<hwy::float16_t, float_tag> d16;
  const auto bits = hn::TruncateTo(half_tag(), hn::ShiftRight<16>(head));
  return hn::PromoteTo(float_tag(), hn::BitCast(d16, bits));
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

#if TROUPE_PAIR_INSTRUCTION && HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512vnni")
namespace troupe::kernels::HWY_NAMESPACE::paired {

// By vdpbf16ps: for each lane fma(even, even, fma(odd, odd, sum)), subnormals taken as zeros.
struct bfloat16_format : bfloat16_words {
  // Rounds as to_bfloat16_bits does, but subnormals, which `exp` never makes.
  static HWY_INLINE void store(float_vector x, std::uint32_t* words, std::size_t element) {
    auto* halves = reinterpret_cast<std::uint16_t*>(words);
    const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.raw));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves + element), rounded);
  }
  using operand = __m512bh;
  static HWY_INLINE operand load(const std::uint32_t* words) {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(words));
  }
  static HWY_INLINE operand load_even(const std::uint32_t* words) {
    const __m512i pairs = _mm512_loadu_si512(words);
    return reinterpret_cast<__m512bh>(_mm512_and_si512(pairs, _mm512_set1_epi32(0xFFFF)));
  }
  static HWY_INLINE operand spread(std::uint32_t word) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(word)));
  }
  static HWY_INLINE float_vector multiply_add(operand x, operand w, float_vector sum) {
    return float_vector{_mm512_dpbf16_ps(sum.raw, w, x)};
  }
};

// GCC 12 copies the sums of its own functions for these from register to register in every loop.
// Four unsigned bytes times four signed ones, in each lane.
HWY_INLINE int_vector add_bytes(__m512i unsigned_bytes, __m512i bytes, int_vector sum) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(unsigned_bytes), "v"(bytes));
  return sum;
}
// Two signed halves times two others, in each lane.
HWY_INLINE int_vector add_halves(__m512i x, __m512i y, int_vector sum) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum.raw) : "v"(x), "v"(y));
  return sum;
}

// By vpdpbusd; a sum starts with vpdpwssd, whose upper products are zeros.
struct byte_words {
  using operand = __m512i;
  static HWY_INLINE int_vector start(hn::Vec<word_tag> head, std::uint32_t negative_sum) {
    return int_vector{_mm512_dpwssd_epi32(_mm512_setzero_si512(), head.raw, spread(negative_sum))};
  }
  static HWY_INLINE operand weights_of(hn::Vec<word_tag> words) { return words.raw; }
  static HWY_INLINE operand spread(std::uint32_t word) {
    return _mm512_set1_epi32(static_cast<int>(word));
  }
  static HWY_INLINE int_vector multiply_add(operand x, operand w, int_vector sum) {
    return add_bytes(w, x, sum);
  }
};

// By vpdpbusd and vpdpwssd.
struct byte_products {
  using operand = __m512i;
  using pairs = __m512i;
  static HWY_INLINE operand load_keys(const std::uint32_t* words) {
    return _mm512_loadu_si512(words);
  }
  static HWY_INLINE operand spread_query(std::uint32_t word) { return spread_pair(word); }
  static HWY_INLINE int_vector add_keys(operand x, operand keys, int_vector sum) {
    return add_bytes(keys, x, sum);
  }
  static HWY_INLINE pairs load_values(const std::int8_t* bytes) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  }
  static HWY_INLINE pairs spread_pair(std::uint32_t word) {
    return _mm512_set1_epi32(static_cast<int>(word));
  }
  static HWY_INLINE int_vector add_values(pairs x, pairs values, int_vector sum) {
    return add_halves(x, values, sum);
  }
};

}  // namespace troupe::kernels::HWY_NAMESPACE::paired
#pragma GCC pop_options
HWY_AFTER_NAMESPACE();
#endif

#endif
