// Weights as small integers in groups of 128 neighbours along in_features; the last group of a row
// may be shorter. Weight k is scale * (integer - zero point), both of its group.
#pragma once
#include "core/numeric.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe {

inline constexpr std::uint32_t group_size = 128;

constexpr std::uint32_t num_groups(std::uint32_t in_features) {
  return (in_features + group_size - 1) / group_size;
}

// One output feature's weights.
struct integer_row {
  std::vector<std::uint8_t> values;  // [in_features]
  std::vector<float16> scales;       // [num_groups]
  std::vector<std::uint8_t> zeros;   // [num_groups]

  void resize(std::uint32_t in_features) {
    values.resize(in_features);
    scales.resize(num_groups(in_features));
    zeros.resize(num_groups(in_features));
  }
};

}  // namespace troupe
