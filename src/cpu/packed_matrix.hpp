// A linear weight as the CPU reads it: tiles of 32 output features, within a tile one column of
// 32 weights after the other, so that a vector lane is an output feature, in_features is walked in
// order whatever the vector's width, and a tile is one stream of memory.
//   float32   [num_tiles][in_features][32]
//   bfloat16  [num_tiles][ceil(in_features / 2)][32][2]: two neighbours along in_features share a
//             32-bit word, the even one in its lower half
//   int8      [num_tiles][ceil(in_features / 128)][33][32]: groups of 128 along in_features. First
//   a
//             word for each output: the group's scale as bfloat16 above the sum of its weights;
//             then the weights, four neighbours in a word
// Rows beyond out_features and the odd column's neighbour are zero.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/numeric.hpp"
#include "cpu/aligned_buffer.hpp"
#include "cpu/thread_pool.hpp"
#include "model/device.hpp"

namespace troupe {

inline constexpr std::uint32_t tile_width = 32;
// int8: weights and activations share a scale within a group.
inline constexpr std::uint32_t group_size = 128;
inline constexpr std::uint32_t group_words = group_size / 4;
inline constexpr std::uint32_t group_rows = 1 + group_words;  // of tile_width words

enum class weight_type : std::uint8_t { float32, bfloat16, int8 };

constexpr weight_type weight_type_of(dtype type) {
  return type == dtype::float32 ? weight_type::float32 : weight_type::bfloat16;
}
constexpr std::uint32_t num_groups(std::uint32_t in_features) {
  return (in_features + group_size - 1) / group_size;
}

class packed_matrix : public device_matrix {
 public:
  // Throws std::bad_alloc.
  packed_matrix(const linear_slice& slice, weight_type type, thread_pool& pool);

  std::uint64_t size_in_bytes() const override { return words_.size() * sizeof(std::uint32_t); }
  weight_type type() const { return type_; }
  std::uint32_t num_tiles() const { return (out_features() + tile_width - 1) / tile_width; }
  // 32-bit words from one tile to the next.
  std::size_t tile_words() const { return tile_words_; }
  const std::uint32_t* tile(std::uint32_t index) const {
    return words_.data() + index * tile_words_;
  }
  // Row `row` of the unpacked matrix into out[in_features].
  void copy_row(std::uint32_t row, float* out) const;

  static std::uint64_t size_in_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                     weight_type type);

 private:
  weight_type type_;
  std::size_t tile_words_;
  aligned_buffer<std::uint32_t> words_;
};

}  // namespace troupe
