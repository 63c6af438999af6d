#include "cpu/packed_matrix.hpp"

#include <algorithm>
#include <bit>
#include <vector>

namespace troupe {
namespace {

std::size_t words_per_tile(std::uint64_t in_features, dtype type) {
  const std::uint64_t columns = type == dtype::float32 ? in_features : (in_features + 1) / 2;
  return columns * tile_width;
}

void pack_rows(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
               std::vector<float>& rows, std::uint32_t* tile) {
  const std::size_t cols = slice.num_cols();
  rows.resize(count * cols);
  slice.copy_rows(first, count, std::span<float>(rows));
  for (std::uint32_t r = 0; r < count; ++r) {
    for (std::size_t k = 0; k < cols; ++k) {
      tile[k * tile_width + r] = std::bit_cast<std::uint32_t>(rows[r * cols + k]);
    }
  }
}

void pack_rows(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
               std::vector<bfloat16>& rows, std::uint32_t* tile) {
  const std::size_t cols = slice.num_cols();
  rows.resize(count * cols);
  slice.copy_rows(first, count, std::span<bfloat16>(rows));
  for (std::uint32_t r = 0; r < count; ++r) {
    for (std::size_t k = 0; k < cols; ++k) {
      const std::uint32_t bits = rows[r * cols + k].bits;
      tile[k / 2 * tile_width + r] |= bits << (k % 2 * 16);
    }
  }
}

// One tile a call; every thread keeps the rows that it gathers into.
template <class Element>
void pack_tiles(const linear_slice& slice, std::uint32_t num_tiles, std::size_t tile_words,
                thread_pool& pool, std::uint32_t* words) {
  std::vector<std::vector<Element>> rows(pool.num_threads());
  for (auto& r : rows) r.reserve(std::size_t{tile_width} * slice.num_cols());
  pool.parallel_for(num_tiles, [&](std::uint32_t tile, std::uint32_t thread_idx) {
    const std::uint32_t first = tile * tile_width;
    const std::uint32_t count = std::min(tile_width, slice.num_rows() - first);
    pack_rows(slice, first, count, rows[thread_idx], words + tile * tile_words);
  });
}

}  // namespace

packed_matrix::packed_matrix(const linear_slice& slice, dtype type, thread_pool& pool)
    : device_matrix(slice.num_rows(), slice.num_cols()),
      type_(type),
      tile_words_(words_per_tile(slice.num_cols(), type)),
      words_(num_tiles() * tile_words_) {
  if (type == dtype::float32) {
    pack_tiles<float>(slice, num_tiles(), tile_words_, pool, words_.data());
  } else {
    pack_tiles<bfloat16>(slice, num_tiles(), tile_words_, pool, words_.data());
  }
}

void packed_matrix::copy_row(std::uint32_t row, float* out) const {
  const std::uint32_t* words = tile(row / tile_width) + row % tile_width;
  if (type_ == dtype::float32) {
    for (std::uint32_t k = 0; k < in_features(); ++k) {
      out[k] = std::bit_cast<float>(words[std::size_t{k} * tile_width]);
    }
    return;
  }
  for (std::uint32_t k = 0; k < in_features(); ++k) {
    const std::uint32_t pair = words[std::size_t{k} / 2 * tile_width];
    out[k] = std::bit_cast<float>(k % 2 == 0 ? pair << 16U : pair & 0xFFFF0000U);
  }
}

std::uint64_t packed_matrix::size_in_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                           dtype type) {
  const std::uint64_t tiles = (out_features + tile_width - 1) / tile_width;
  return tiles * words_per_tile(in_features, type) * sizeof(std::uint32_t);
}

}  // namespace troupe
