#include "model/integer_packing.hpp"

#include <algorithm>

namespace troupe {
namespace {

// [groups, rows] numbers into words of neighbouring rows.
std::vector<std::uint32_t> pack_outputs(const published_format& format,
                                        std::span<const std::uint8_t> numbers,
                                        std::uint32_t num_rows, std::uint32_t subtracted) {
  const std::uint32_t per_word = format.per_word();
  const std::uint32_t mask = (1U << format.bits) - 1;
  std::vector<std::uint32_t> words(numbers.size() / per_word);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto row = static_cast<std::uint32_t>(i % num_rows);
    words[i / per_word] |= ((numbers[i] - subtracted) & mask) << format.shift_of_output(row);
  }
  return words;
}

std::vector<std::uint32_t> pack_inputs(const published_format& format, const integer_matrix& from) {
  const std::uint32_t per_word = format.per_word();
  std::vector<std::uint32_t> words(from.values.size() / per_word);
  for (std::uint32_t row = 0; row < from.num_rows; ++row) {
    const std::uint8_t* values = from.values.data() + std::size_t{row} * from.num_cols;
    for (std::uint32_t k = 0; k < from.num_cols; ++k) {
      words[std::size_t{k} / per_word * from.num_rows + row] |= std::uint32_t{values[k]}
                                                                << k % per_word * format.bits;
    }
  }
  return words;
}

// A row of words is one input's.
std::vector<std::uint32_t> pack_awq(const published_format& format, const integer_matrix& from) {
  const std::uint32_t per_word = format.per_word();
  const std::size_t words_per_input = from.num_rows / per_word;
  std::vector<std::uint32_t> words(words_per_input * from.num_cols);
  for (std::uint32_t row = 0; row < from.num_rows; ++row) {
    const std::uint32_t shift = format.shift_of_output(row);
    const std::uint8_t* values = from.values.data() + std::size_t{row} * from.num_cols;
    for (std::uint32_t k = 0; k < from.num_cols; ++k) {
      words[k * words_per_input + row / per_word] |= std::uint32_t{values[k]} << shift;
    }
  }
  return words;
}

}  // namespace

integer_matrix::integer_matrix(std::uint32_t out_features, std::uint32_t in_features)
    : num_rows(out_features),
      num_cols(in_features),
      values(std::size_t{out_features} * in_features),
      scales(std::size_t{out_features} * num_groups(in_features)),
      zeros(scales.size()) {}

void integer_matrix::set_row(std::uint32_t row, const integer_row& from) {
  std::ranges::copy(from.values, values.data() + std::size_t{row} * num_cols);
  for (std::size_t g = 0; g < from.scales.size(); ++g) {
    scales[g * num_rows + row] = from.scales[g];
    zeros[g * num_rows + row] = from.zeros[g];
  }
}

bool fits_words(const published_format& format, std::int64_t num_rows, std::int64_t num_cols) {
  const std::int64_t per_word = format.per_word();
  if (num_rows % per_word != 0) return false;
  return format.layout == integer_layout::awq || num_cols % per_word == 0;
}

packed_integers pack_integers(const published_format& format, const integer_matrix& from) {
  packed_integers out;
  out.qzeros = pack_outputs(format, from.zeros, from.num_rows, format.added_to_zeros);
  out.scales = from.scales;
  if (format.layout == integer_layout::awq) {
    out.qweight = pack_awq(format, from);
    return out;
  }
  out.qweight = pack_inputs(format, from);
  for (std::uint32_t k = 0; k < from.num_cols; ++k) {
    out.group_index.push_back(static_cast<std::int32_t>(k / format.group_size));
  }
  return out;
}

}  // namespace troupe
