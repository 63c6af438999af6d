// Copies a run of a tensor's elements into another element type.
#pragma once
#include "core/numeric.hpp"
#include "model/tensor.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace troupe {

// Elements first .. first + out.size() - 1 in row-major order; the caller keeps within the tensor.
// Exact for every element type.
void copy_elements(const host_tensor& from, std::uint64_t first, std::span<float> out);
// bfloat16 is copied bit for bit, float32 and float16 are rounded to nearest, ties to even.
void copy_elements(const host_tensor& from, std::uint64_t first, std::span<bfloat16> out);

// The whole tensor; for vectors such as a norm's weights.
std::vector<float> to_floats(const host_tensor& from);

}  // namespace troupe
