#include "model/convert.hpp"

#include "model/published_integers.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <type_traits>

namespace troupe {
namespace {

float convert(float x, float) { return x; }
float convert(bfloat16 x, float) { return to_float(x); }
float convert(float16 x, float) { return to_float(x); }
bfloat16 convert(float x, bfloat16) { return to_bfloat16(x); }
bfloat16 convert(bfloat16 x, bfloat16) { return x; }
bfloat16 convert(float16 x, bfloat16) { return to_bfloat16(to_float(x)); }

// Reads through memcpy, since a checkpoint may place an element at any byte.
template <class From, class To>
void copy_as(const std::byte* from, std::span<To> out) {
  if constexpr (std::is_same_v<From, To>) {
    if (!out.empty()) std::memcpy(out.data(), from, out.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    From element;
    std::memcpy(&element, from + i * sizeof(From), sizeof(From));
    out[i] = convert(element, To{});
  }
}

template <class To>
void copy_any(const host_tensor& from, std::uint64_t first, std::span<To> out) {
  assert((first + out.size()) * size_bytes(from.type) <= from.bytes.size());
  const std::byte* source = from.bytes.data() + first * size_bytes(from.type);
  switch (from.type) {
    case dtype::float32: return copy_as<float>(source, out);
    case dtype::bfloat16: return copy_as<bfloat16>(source, out);
    case dtype::float16: return copy_as<float16>(source, out);
    case dtype::int32: break;
  }
  assert(false && "integers are read with their scales");
}

}  // namespace

void copy_elements(const host_tensor& from, std::uint64_t first, std::span<float> out) {
  if (from.integers) return from.integers->copy_floats(first, out);
  copy_any(from, first, out);
}

void copy_elements(const host_tensor& from, std::uint64_t first, std::span<bfloat16> out) {
  if (from.integers) {
    std::vector<float> exact(out.size());
    from.integers->copy_floats(first, exact);
    std::ranges::transform(exact, out.begin(), to_bfloat16);
    return;
  }
  copy_any(from, first, out);
}

std::vector<float> to_floats(const host_tensor& from) {
  std::vector<float> out(from.bytes.size() / size_bytes(from.type));
  copy_elements(from, 0, out);
  return out;
}

}  // namespace troupe
