// The 16-bit floating point formats of published weights, as bits, and their exact conversions.
#pragma once
#include <bit>
#include <cstdint>

namespace troupe {

struct bfloat16 {
  std::uint16_t bits = 0;
  bool operator==(const bfloat16&) const = default;  // of the bits: NaN equals itself
};

struct float16 {
  std::uint16_t bits = 0;
  bool operator==(const float16&) const = default;
};

// Exact: bfloat16 is the upper half of a float.
constexpr float to_float(bfloat16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16U); }

// Exact, subnormals included: IEEE 754 binary16 fits into binary32.
constexpr float to_float(float16 x) {
  const std::uint32_t sign = (x.bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (x.bits >> 10U) & 0x1FU;
  const std::uint32_t fraction = x.bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13U));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23U) | fraction << 13U);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

// Rounds a finite number to nearest, ties to even; subnormals included, overflow becomes infinity.
constexpr float16 to_float16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>(bits >> 16U & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude >= 0x47800000U) return {static_cast<std::uint16_t>(sign | 0x7C00U)};
  if (magnitude < 0x38800000U) {
    // Below 2^-14 the steps are 2^-24: adding 1/2 leaves their number in the lower bits.
    const float counted = std::bit_cast<float>(magnitude) + 0.5F;
    const std::uint32_t steps = std::bit_cast<std::uint32_t>(counted) - 0x3F000000U;
    return {static_cast<std::uint16_t>(sign | steps)};
  }
  const std::uint32_t is_odd = magnitude >> 13U & 1U;
  const std::uint32_t rounded = magnitude + 0xFFFU + is_odd - (112U << 23U);
  return {static_cast<std::uint16_t>(sign | rounded >> 13U)};
}

// Rounds to nearest, ties to even; overflow becomes infinity. A NaN stays a NaN (made quiet) and
// keeps its sign and the upper bits of its payload.
constexpr bfloat16 to_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto upper = static_cast<std::uint16_t>(bits >> 16U);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    return {static_cast<std::uint16_t>(upper | 0x0040U)};
  }
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + (upper & 1U)) >> 16U)};
}

}  // namespace troupe
