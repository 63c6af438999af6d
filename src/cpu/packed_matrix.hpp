// A linear weight as the CPU reads it: tiles of 32 output features, within a tile one column of
// 32 weights after the other, so that a vector lane is an output feature, in_features is walked in
// order whatever the vector's width, and a tile is one stream of memory.
//   float32   [num_tiles][in_features][32]
//   bfloat16  [num_tiles][ceil(in_features / 2)][32][2]: two neighbours along in_features share a
//             32-bit word, the even one in its lower half
//   int8      [num_tiles][ceil(in_features / 128)][1 + 32][32]: groups of 128 along in_features.
//             First a word for each output: the group's scale as float16 above its zero point;
//             then the integers from 0 to 255, four neighbours in a word
//   int4      [num_tiles][ceil(in_features / 128)][1 + 16][32]: the same with integers from 0 to
//             15, eight neighbours in a word: the first four in the lower halves of its bytes
// Rows beyond out_features and the odd column's neighbour are zero.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/numeric.hpp"
#include "cpu/aligned_buffer.hpp"
#include "cpu/thread_pool.hpp"
#include "model/device.hpp"
#include "model/integer_groups.hpp"

namespace troupe {

inline constexpr std::uint32_t tile_width = 32;
// Words of a group of activations, which are bytes.
inline constexpr std::uint32_t group_words = group_size / 4;

enum class weight_type : std::uint8_t { float32, bfloat16, int8, int4 };

constexpr weight_type weight_type_of(dtype type) {
  return type == dtype::float32 ? weight_type::float32 : weight_type::bfloat16;
}
// How a model is held. The embedding and the LM head are never below eight bits.
enum class weight_format : std::uint8_t { plain, int8, int4 };

constexpr weight_type layer_weights_of(weight_format format, dtype type) {
  if (format == weight_format::int4) return weight_type::int4;
  return format == weight_format::int8 ? weight_type::int8 : weight_type_of(type);
}
constexpr weight_type vocabulary_weights_of(weight_format format, dtype type) {
  return format == weight_format::plain ? weight_type_of(type) : weight_type::int8;
}

constexpr bool is_integer(weight_type type) {
  return type == weight_type::int8 || type == weight_type::int4;
}
// Rows of tile_width words that a group of integers takes.
constexpr std::uint32_t group_rows(weight_type type) {
  return 1 + (type == weight_type::int4 ? group_words / 2 : group_words);
}

class packed_matrix : public device_matrix {
 public:
  // Integers are taken as they are from a slice that has them, else rounded to. Throws
  // std::bad_alloc.
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
