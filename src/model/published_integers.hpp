// A linear weight of integers as AutoAWQ and AutoGPTQ publish it: 32-bit words of four or eight
// bits, a zero point and a float16 scale for each group along in_features and each output feature.
//   awq   qweight [in_features, out_features / 8], qzeros [groups, out_features / 8]: a word holds
//         eight outputs, from its lowest bits 0, 2, 4, 6, 1, 3, 5, 7
//   gptq  qweight [in_features * bits / 32, out_features]: a word holds neighbouring inputs;
//         qzeros [groups, out_features * bits / 32]: neighbouring outputs, each one less than it
//         means, modulo 2^bits, unless the checkpoint_format is gptq_v2
//   both  scales [groups, out_features]
#pragma once
#include "model/integer_groups.hpp"
#include "model/tensor.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace troupe {

enum class integer_layout : std::uint8_t { awq, gptq };
std::string_view to_string(integer_layout layout);  // "awq", "gptq"

// What config.json's quantization_config says of all layers.
struct published_format {
  integer_layout layout = integer_layout::awq;
  std::uint32_t bits = 4;
  std::uint32_t group_size = troupe::group_size;  // 0: all inputs are one group
  std::uint32_t added_to_zeros = 0;

  std::uint32_t per_word() const { return 32 / bits; }
  std::uint32_t num_groups(std::uint32_t in_features) const {
    return group_size == 0 ? 1 : (in_features + group_size - 1) / group_size;
  }
  // Where a word of neighbouring outputs keeps this one's bits.
  std::uint32_t shift_of_output(std::uint32_t row) const {
    constexpr std::uint32_t awq_shifts[8] = {0, 16, 4, 20, 8, 24, 12, 28};
    return layout == integer_layout::awq ? awq_shifts[row % 8] : row % per_word() * bits;
  }
};

// One weight's tensors; the shapes are the owner's promise.
class published_integers {
 public:
  struct tensors {
    host_tensor qweight, qzeros, scales;
  };
  published_integers(const published_format& format, tensors parts, std::uint32_t out_features,
                     std::uint32_t in_features)
      : format_(format), parts_(std::move(parts)), out_(out_features), in_(in_features) {}

  const published_format& format() const { return format_; }
  std::uint32_t group_of(std::uint32_t col) const {
    return format_.group_size == 0 ? 0 : col / format_.group_size;
  }
  // Integers of output `row` at inputs first_col and on.
  void copy_values(std::uint32_t row, std::uint32_t first_col, std::span<std::uint8_t> out) const;
  std::uint8_t zero(std::uint32_t row, std::uint32_t group) const;
  float16 scale(std::uint32_t row, std::uint32_t group) const;
  // Elements first .. of [out_features, in_features], row-major: scale * (integer - zero), exactly.
  void copy_floats(std::uint64_t first, std::span<float> out) const;

 private:
  void copy_row_floats(std::uint32_t row, std::uint32_t first_col, std::span<float> out) const;

  published_format format_;
  tensors parts_;
  std::uint32_t out_;
  std::uint32_t in_;
};

}  // namespace troupe
