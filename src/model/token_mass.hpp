// What every device computes of a token before it draws one: the same source for all of them, so
// that they agree bit for bit. See model/token_choice.hpp and, for rounding, model/exponential.hpp.
#pragma once
#include <cstdint>

#include "model/exponential.hpp"

namespace troupe {

inline constexpr float unit_mass = 1073741824.0F;  // 2^30: the most likely token's
// exp(-20.8) * 2^30 < 1: the token's mass is zero.
inline constexpr float lowest_exponent = -20.8F;

// Of a logit, given the highest one. Both finite, so that the difference is no NaN.
struct exponent_of {
  float highest;
  float inverse_temperature;
  constexpr float operator()(float logit) const { return (logit - highest) * inverse_temperature; }
};

// exp(exponent) in units of 2^-30. Computed for all and then selected: a loop without branches is
// one of vectors.
constexpr std::uint32_t token_mass(float exponent) {
  const float e = exponential(exponent);
  const float kept = exponent > lowest_exponent ? e : 0.0F;
  return static_cast<std::uint32_t>(static_cast<std::int32_t>(kept * unit_mass));
}

// top_p removes the least likely tokens while their masses sum up to this at most.
constexpr std::uint64_t removable_mass(float top_p, std::uint64_t total) {
  return static_cast<std::uint64_t>((1.0 - static_cast<double>(top_p)) *
                                    static_cast<double>(total));
}

// min_p removes masses below this: MinPLogitsWarper removes probabilities below min_p times the
// highest one.
constexpr std::uint32_t least_mass(float min_p) {
  const float share = min_p < 0.0F ? 0.0F : min_p > 1.0F ? 1.0F : min_p;
  return static_cast<std::uint32_t>(share * unit_mass);
}

}  // namespace troupe
