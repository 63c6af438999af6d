// Weights to integers in groups, by rounding to the nearest: the same integers on every machine.
#pragma once
#include <cstdint>
#include <span>

#include "model/integer_groups.hpp"

namespace troupe::kernels {

// A row of finite weights.
//   8 bits  symmetric: the zero point is 128, the largest magnitude is 127 steps
//   4 bits  the zero point is free; of four ranges, the group's own and three that cut off up to 15
//   %
//           at both ends, the one with the smallest sum of squared errors
void round_to_integers(std::span<const float> row, std::uint32_t bits, integer_row& out);

}  // namespace troupe::kernels
