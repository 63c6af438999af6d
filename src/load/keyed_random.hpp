// Random numbers that depend on a seed and a key alone: the same run asks the same, whatever thread
// draws first. SplitMix64.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>

namespace troupe::load {

class keyed_random {
 public:
  explicit keyed_random(std::uint64_t seed, std::uint64_t key = 0)
      : state_(mixed(seed ^ mixed(key + increment))) {}

  std::uint64_t next() { return mixed(state_ += increment); }
  // In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
  // In [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>(uniform() * static_cast<double>(bound));
  }
  double exponential() { return -std::log1p(-uniform()); }
  double normal() {
    auto radius = std::sqrt(2 * exponential());
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }
  // Of the given shape and scale 1, by Marsaglia and Tsang.
  double gamma(double shape) {
    if (shape < 1) return gamma(shape + 1) * std::pow(1 - uniform(), 1 / shape);
    auto d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    while (true) {
      auto x = normal();
      auto v = 1 + c * x;
      if (v <= 0) continue;
      v = v * v * v;
      if (std::log(1 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
    }
  }

 private:
  static constexpr std::uint64_t increment = 0x9E3779B97F4A7C15U;
  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  std::uint64_t state_;
};

}  // namespace troupe::load
