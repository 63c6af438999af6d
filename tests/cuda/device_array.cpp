#include "cuda/device_array.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "simt/machine.hpp"

namespace troupe::cuda {
namespace {

constexpr std::size_t guard_bytes = 512;

}  // namespace

guarded_bytes::guarded_bytes(std::size_t size)
    : memory_(size + 2 * guard_bytes + 32, std::byte{0xFF}), size_(size) {
  const auto start = reinterpret_cast<std::uintptr_t>(memory_.data() + guard_bytes);
  // 16 modulo 32: more than the alignment that is promised is not there.
  offset_ = guard_bytes + (48 - start % 32) % 32;
}

bool guarded_bytes::is_whole() const {
  const auto is_poison = [](std::byte b) { return b == std::byte{0xFF}; };
  const auto end = memory_.begin() + static_cast<std::ptrdiff_t>(offset_ + size_);
  return std::all_of(memory_.begin(), memory_.begin() + static_cast<std::ptrdiff_t>(offset_),
                     is_poison) &&
         std::all_of(end, memory_.end(), is_poison);
}

std::vector<float> random_floats(std::size_t count, unsigned seed, float scale) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> out(count);
  for (float& x : out) x = normal(random);
  return out;
}

std::vector<float> random_rounded(std::size_t count, unsigned seed, float scale) {
  return to_floats(to_bf16(random_floats(count, seed, scale)));
}

std::vector<bf16> to_bf16(std::span<const float> values) {
  std::vector<bf16> out(values.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_bfloat16(values[i]);
  return out;
}

std::vector<float> to_floats(std::span<const bf16> values) {
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(values[i]);
  return out;
}

double distance(std::span<const float> got, std::span<const double> expected) {
  REQUIRE(got.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(double{got[i]} - expected[i]) / (1 + std::abs(expected[i]));
    if (!(error <= worst)) worst = error;
    if (std::isnan(error)) return std::numeric_limits<double>::quiet_NaN();
  }
  return worst;
}

bool is_fine(launch_error error) {
  CHECK_MESSAGE(simt::last_fault().empty(), simt::last_fault());
  return error == launch_error::none;
}

}  // namespace troupe::cuda
