// KV pages as cuda/kv_format.hpp describes them, by their definition: slow, and knowing nothing of
// the kernels.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/kv_format.hpp"

namespace troupe::cuda {

// What a byte says without its row's exponent; NaN for 0x7F and 0xFF.
double e4m3_value(std::uint8_t byte);
// The byte that says it best; of two as good the even one.
std::uint8_t nearest_e4m3(double x);
// log2 of what a row's bytes are multiplied with.
int row_power(std::span<const float> row);

// Rows of all heads' pages back to back, [head pages, 16, head_dim], and as memory. A row of NaNs
// is one that nobody wrote: every bit is set.
std::vector<std::byte> to_pages(kv_format format, std::span<const float> rows,
                                std::uint32_t head_dim);
std::vector<float> from_pages(kv_format format, std::span<const std::byte> pages,
                              std::uint32_t head_dim);

}  // namespace troupe::cuda
