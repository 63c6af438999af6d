#include "cpu/packed_matrix.hpp"

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "cpu/weight_rounding.hpp"

namespace troupe {
namespace {

std::size_t words_per_tile(std::uint64_t in_features, weight_type type) {
  switch (type) {
    case weight_type::float32: return in_features * tile_width;
    case weight_type::bfloat16: return (in_features + 1) / 2 * tile_width;
    case weight_type::int8:
    case weight_type::int4: break;
  }
  return (in_features + group_size - 1) / group_size * group_rows(type) * tile_width;
}

constexpr std::uint32_t bits_of(weight_type type) { return type == weight_type::int4 ? 4 : 8; }

// Where the k-th integer of a group stands: the row of words, and the shift in its word.
struct place {
  std::uint32_t row = 0;
  std::uint32_t shift = 0;
};
constexpr place place_of(std::uint32_t k, weight_type type) {
  if (type == weight_type::int8) return {1 + k / 4, k % 4 * 8};
  return {1 + k / 8, k % 4 * 8 + k % 8 / 4 * 4};
}

void pack_rows(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
               std::vector<float>& rows, std::uint32_t* tile) {
  const std::size_t cols = slice.num_cols();
  rows.resize(count * cols);
  slice.copy_rows(first, count, std::span<float>(rows));
  for (std::size_t k = 0; k < cols; ++k) {
    for (std::uint32_t r = 0; r < count; ++r) {
      tile[k * tile_width + r] = std::bit_cast<std::uint32_t>(rows[r * cols + k]);
    }
  }
}

void pack_rows(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
               std::vector<bfloat16>& rows, std::uint32_t* tile) {
  const std::size_t cols = slice.num_cols();
  rows.resize(count * cols);
  slice.copy_rows(first, count, std::span<bfloat16>(rows));
  // Along the tile: what is written comes in order, and so does what is read of every row.
  for (std::size_t k = 0; k + 1 < cols; k += 2) {
    for (std::uint32_t r = 0; r < count; ++r) {
      const bfloat16* pair = rows.data() + r * cols + k;
      tile[k / 2 * tile_width + r] = pair[0].bits | std::uint32_t{pair[1].bits} << 16U;
    }
  }
  if (cols % 2 == 0) return;
  for (std::uint32_t r = 0; r < count; ++r) {
    tile[cols / 2 * tile_width + r] = rows[r * cols + cols - 1].bits;
  }
}

// One group of one output feature: `integers` are its own, fewer than 128 at the end of a row.
void pack_group(std::span<const std::uint8_t> integers, float16 scale, std::uint8_t zero,
                weight_type type, std::uint32_t* words) {
  words[0] = std::uint32_t{scale.bits} << 16U | zero;
  for (std::uint32_t k = 0; k < integers.size(); ++k) {
    const place at = place_of(k, type);
    words[std::size_t{at.row} * tile_width] |= std::uint32_t{integers[k]} << at.shift;
  }
}

// What a thread gathers a row into.
struct row_scratch {
  std::vector<float> floats;
  integer_row integers;
};

void pack_integer_rows(const linear_slice& slice, weight_type type, std::uint32_t first,
                       std::uint32_t count, row_scratch& scratch, std::uint32_t* tile) {
  const std::uint32_t cols = slice.num_cols();
  const bool has_integers = slice.has_integers(bits_of(type));
  scratch.floats.resize(cols);
  for (std::uint32_t r = 0; r < count; ++r) {
    if (has_integers) {
      slice.copy_integers(first + r, scratch.integers);
    } else {
      slice.copy_rows(first + r, 1, std::span<float>(scratch.floats));
      kernels::round_to_integers(scratch.floats, bits_of(type), scratch.integers);
    }
    const integer_row& row = scratch.integers;
    for (std::uint32_t g = 0; g < num_groups(cols); ++g) {
      const std::uint32_t k = g * group_size;
      const auto integers = std::span(row.values).subspan(k, std::min(group_size, cols - k));
      pack_group(integers, row.scales[g], row.zeros[g], type,
                 tile + std::size_t{g} * group_rows(type) * tile_width + r);
    }
  }
}

float integer_weight(const std::uint32_t* words, std::uint32_t k, weight_type type) {
  const std::uint32_t* group = words + std::size_t{k} / group_size * group_rows(type) * tile_width;
  const float scale = to_float(float16{static_cast<std::uint16_t>(group[0] >> 16U)});
  const auto zero = static_cast<std::int32_t>(group[0] & 0xFFFFU);
  const place at = place_of(k % group_size, type);
  const std::uint32_t mask = type == weight_type::int4 ? 0xFU : 0xFFU;
  const std::uint32_t integer = group[std::size_t{at.row} * tile_width] >> at.shift & mask;
  return scale * static_cast<float>(static_cast<std::int32_t>(integer) - zero);
}

// One tile a call; every thread keeps the rows that it gathers into.
template <class Scratch, class Pack>
void pack_tiles(const linear_slice& slice, std::uint32_t num_tiles, thread_pool& pool,
                const Pack& pack) {
  std::vector<Scratch> rows(pool.num_threads());
  pool.parallel_for(num_tiles, [&](std::uint32_t tile, std::uint32_t thread_idx) {
    const std::uint32_t first = tile * tile_width;
    pack(tile, first, std::min(tile_width, slice.num_rows() - first), rows[thread_idx]);
  });
}

}  // namespace

packed_matrix::packed_matrix(const linear_slice& slice, weight_type type, thread_pool& pool)
    : device_matrix(slice.num_rows(), slice.num_cols()),
      type_(type),
      tile_words_(words_per_tile(slice.num_cols(), type)),
      words_(num_tiles() * tile_words_) {
  const auto pack = [&](std::uint32_t tile, std::uint32_t first, std::uint32_t count, auto& rows) {
    pack_rows(slice, first, count, rows, words_.data() + tile * tile_words_);
  };
  const auto pack_integers = [&](std::uint32_t tile, std::uint32_t first, std::uint32_t count,
                                 row_scratch& scratch) {
    pack_integer_rows(slice, type, first, count, scratch, words_.data() + tile * tile_words_);
  };
  switch (type) {
    case weight_type::float32:
      pack_tiles<std::vector<float>>(slice, num_tiles(), pool, pack);
      break;
    case weight_type::bfloat16:
      pack_tiles<std::vector<bfloat16>>(slice, num_tiles(), pool, pack);
      break;
    case weight_type::int8:
    case weight_type::int4: pack_tiles<row_scratch>(slice, num_tiles(), pool, pack_integers); break;
  }
}

void packed_matrix::copy_row(std::uint32_t row, float* out) const {
  const std::uint32_t* words = tile(row / tile_width) + row % tile_width;
  for (std::uint32_t k = 0; k < in_features(); ++k) {
    if (type_ == weight_type::float32) {
      out[k] = std::bit_cast<float>(words[std::size_t{k} * tile_width]);
    } else if (type_ == weight_type::bfloat16) {
      const std::uint32_t pair = words[std::size_t{k} / 2 * tile_width];
      out[k] = std::bit_cast<float>(k % 2 == 0 ? pair << 16U : pair & 0xFFFF0000U);
    } else {
      out[k] = integer_weight(words, k, type_);
    }
  }
}

std::uint64_t packed_matrix::size_in_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                           weight_type type) {
  const std::uint64_t tiles = (out_features + tile_width - 1) / tile_width;
  return tiles * words_per_tile(in_features, type) * sizeof(std::uint32_t);
}

}  // namespace troupe
