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
