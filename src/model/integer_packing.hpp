// Writes integers in the layouts that model/published_integers.hpp reads.
#pragma once
#include "model/published_integers.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

// A linear weight in groups of 128.
struct integer_matrix {
  integer_matrix(std::uint32_t out_features, std::uint32_t in_features);
  // Rows may be set by several threads.
  void set_row(std::uint32_t row, const integer_row& from);

  std::uint32_t num_rows;
  std::uint32_t num_cols;
  std::vector<std::uint8_t> values;  // [num_rows, num_cols]
  std::vector<float16> scales;       // [groups, num_rows]
  std::vector<std::uint8_t> zeros;   // [groups, num_rows]
};

struct packed_integers {
  std::vector<std::uint32_t> qweight;
  std::vector<std::uint32_t> qzeros;
  std::vector<float16> scales;
  std::vector<std::int32_t> group_index;  // g_idx [num_cols]; empty for awq
};

// Whether the layout's words hold such a matrix.
bool fits_words(const published_format& format, std::int64_t num_rows, std::int64_t num_cols);
// `format` has groups of 128.
packed_integers pack_integers(const published_format& format, const integer_matrix& from);

}  // namespace troupe
