#include "model/published_integers.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace troupe {
namespace {

template <class T>
T element(const host_tensor& tensor, std::uint64_t index) {
  T out;
  std::memcpy(&out, tensor.bytes.data() + index * sizeof(T), sizeof(T));
  return out;
}

}  // namespace

std::string_view to_string(integer_layout layout) {
  return layout == integer_layout::awq ? "awq" : "gptq";
}

void published_integers::copy_values(std::uint32_t row, std::uint32_t first_col,
                                     std::span<std::uint8_t> out) const {
  const std::uint32_t per_word = format_.per_word();
  const std::uint32_t mask = (1U << format_.bits) - 1;
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    const std::uint64_t col = first_col + i;
    const bool is_awq = format_.layout == integer_layout::awq;
    const std::uint64_t index =
        is_awq ? col * (out_ / per_word) + row / per_word : col / per_word * out_ + row;
    const auto shift = is_awq ? format_.shift_of_output(row)
                              : static_cast<std::uint32_t>(col % per_word) * format_.bits;
    const auto word = element<std::uint32_t>(parts_.qweight, index);
    out[i] = static_cast<std::uint8_t>(word >> shift & mask);
  }
}

std::uint8_t published_integers::zero(std::uint32_t row, std::uint32_t group) const {
  const std::uint32_t per_word = format_.per_word();
  const std::uint64_t index = std::uint64_t{group} * (out_ / per_word) + row / per_word;
  const auto word = element<std::uint32_t>(parts_.qzeros, index);
  const std::uint32_t shift = format_.shift_of_output(row);
  const std::uint32_t mask = (1U << format_.bits) - 1;
  return static_cast<std::uint8_t>(((word >> shift) + format_.added_to_zeros) & mask);
}

float16 published_integers::scale(std::uint32_t row, std::uint32_t group) const {
  return element<float16>(parts_.scales, std::uint64_t{group} * out_ + row);
}

void published_integers::copy_row_floats(std::uint32_t row, std::uint32_t first_col,
                                         std::span<float> out) const {
  std::vector<std::uint8_t> values(out.size());
  copy_values(row, first_col, values);
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint32_t col = first_col + static_cast<std::uint32_t>(done);
    const std::uint32_t group = group_of(col);
    const float step = to_float(scale(row, group));
    const int zero_point = zero(row, group);
    std::size_t end = done + 1;
    while (end < out.size() && group_of(first_col + static_cast<std::uint32_t>(end)) == group) {
      ++end;
    }
    for (; done < end; ++done) out[done] = step * static_cast<float>(values[done] - zero_point);
  }
}

void published_integers::copy_floats(std::uint64_t first, std::span<float> out) const {
  while (!out.empty()) {
    const auto col = static_cast<std::uint32_t>(first % in_);
    const std::size_t count = std::min<std::size_t>(out.size(), in_ - col);
    copy_row_floats(static_cast<std::uint32_t>(first / in_), col, out.first(count));
    out = out.subspan(count);
    first += count;
  }
}

}  // namespace troupe
