// Floating point in a byte: sign, four bits of exponent, three of fraction. The largest is 448,
// there is a NaN and no infinity; without its row's exponent (cuda/kv_format.hpp).
#pragma once
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {

// The byte for a row whose largest magnitude this is. Beyond 57344 it is said too small.
__device__ __forceinline__ std::uint32_t row_exponent(float largest) {
  // 448 is 1.75 * 2^8.
  const std::uint32_t exponent = ((bits_of(largest) + 0x1FFFFFU) >> 23U) - 8U;
  const auto as_signed = static_cast<std::int32_t>(exponent);
  return as_signed < 27 ? 27U : as_signed > 134 ? 134U : exponent;
}

// What a row's numbers are multiplied with before they become bytes.
__device__ __forceinline__ float row_shrink(std::uint32_t exponent) {
  return float_of((254U - exponent) << 23U);
}

// The nearest number, ties to even; beyond the largest the largest.
__device__ __forceinline__ std::uint32_t e4m3_by_hand(float x) {
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t sign = bits >> 24U & 0x80U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return sign | 0x7FU;
  if (magnitude >= bits_of(448.0F)) return sign | 0x7EU;
  if (magnitude < bits_of(0x1p-6F)) {
    // Steps of 2^-9: an addition leaves their number in the lower bits.
    return sign | (bits_of(float_of(magnitude) + 0x1p14F) - bits_of(0x1p14F));
  }
  const std::uint32_t rounded = magnitude + 0x7FFFFU + (magnitude >> 20U & 1U);
  return sign | ((rounded >> 20U) - (120U << 3U));
}

// Two of them, the first in the lower byte.
__device__ __forceinline__ std::uint32_t e4m3_pair(float low, float high) {
#if defined(TROUPE_CONVERTS_E4M3)
  return convert_e4m3_pair(low, high);
#else
  return e4m3_by_hand(low) | e4m3_by_hand(high) << 8U;
#endif
}

// Two words of two bfloat16 from four bytes. There is no instruction from bytes to bfloat16; that
// to float16 would need three more for each pair, these are five. Read as bfloat16 a byte's digits
// are the number times 2^-120, subnormal ones too, and one multiplication mends that together with
// the row's exponent, without rounding.
__device__ __forceinline__ void expand_four(std::uint32_t bytes, std::uint32_t factor,
                                            std::uint32_t& first, std::uint32_t& second) {
  const std::uint32_t low = (bytes & 0xFFU) << 8U | (bytes & 0xFF00U) << 16U;
  const std::uint32_t high = (bytes >> 8U & 0xFF00U) | (bytes & 0xFF000000U);
  first = multiply_pairs((low & 0x80008000U) | (low >> 4U & 0x07F007F0U), factor);
  second = multiply_pairs((high & 0x80008000U) | (high >> 4U & 0x07F007F0U), factor);
}

// Sixteen numbers of a row as eight pairs.
__device__ __forceinline__ void expand_bytes(const vec16& bytes, std::uint32_t exponent,
                                             vec16& first, vec16& second) {
  const std::uint32_t factor = (exponent + 120U) << 7U;
  const std::uint32_t both = factor | factor << 16U;
  expand_four(bytes.words[0], both, first.words[0], first.words[1]);
  expand_four(bytes.words[1], both, first.words[2], first.words[3]);
  expand_four(bytes.words[2], both, second.words[0], second.words[1]);
  expand_four(bytes.words[3], both, second.words[2], second.words[3]);
}

}  // namespace troupe::cuda
