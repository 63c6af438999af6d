// Memory that kernels under test read and write: what lies before and behind it is poison, which
// turns a result into NaN when it is read and is missed when it is written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/numeric.hpp"
#include "cuda/kernels.hpp"

namespace troupe::cuda {

// Bytes at an address that is a multiple of 16, but of no more, between two guards.
class guarded_bytes {
 public:
  explicit guarded_bytes(std::size_t size);
  std::byte* data() { return memory_.data() + offset_; }
  // Nothing was written outside.
  bool is_whole() const;

 private:
  std::vector<std::byte> memory_;
  std::size_t offset_;
  std::size_t size_;
};

template <class T>
class device_array {
 public:
  // Poison: the bytes are 0xFF.
  explicit device_array(std::size_t size) : bytes_(size * sizeof(T)), size_(size) {}
  explicit device_array(std::span<const T> values) : device_array(values.size()) {
    if (size_ > 0) std::memcpy(bytes_.data(), values.data(), size_ * sizeof(T));
  }
  explicit device_array(const std::vector<T>& values) : device_array(std::span<const T>(values)) {}

  T* data() { return reinterpret_cast<T*>(bytes_.data()); }
  std::span<T> values() { return {data(), size_}; }
  T& operator[](std::size_t i) { return data()[i]; }
  std::size_t size() const { return size_; }
  bool is_whole() const { return bytes_.is_whole(); }

 private:
  guarded_bytes bytes_;
  std::size_t size_;
};

// Normal, of this scale.
std::vector<float> random_floats(std::size_t count, unsigned seed, float scale = 1.0F);
// Rounded to what a bfloat16 can say.
std::vector<float> random_rounded(std::size_t count, unsigned seed, float scale = 1.0F);

std::vector<bf16> to_bf16(std::span<const float> values);
std::vector<float> to_floats(std::span<const bf16> values);

// The largest |a - b| / (1 + |b|): NaN where one of them is.
double distance(std::span<const float> got, std::span<const double> expected);

// Launched, and the emulator found nothing to object to.
bool is_fine(launch_error error);

}  // namespace troupe::cuda
