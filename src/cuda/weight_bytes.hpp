// Weights to bytes in groups (model/integer_groups.hpp), by rounding to the nearest: the integers
// that the CPU's rounding to 8 bits finds, without its zero point.
#pragma once
#include <cstdint>
#include <span>

#include "core/numeric.hpp"

namespace troupe::cuda {

// A row of finite weights into bytes[row.size()] and scales[num_groups(row.size())].
void round_to_bytes(std::span<const float> row, std::int8_t* bytes, float16* scales);

}  // namespace troupe::cuda
