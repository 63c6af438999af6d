#include "cpu/packed_matrix.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <vector>

namespace troupe {
namespace {

std::size_t words_per_tile(std::uint64_t in_features, weight_type type) {
  switch (type) {
    case weight_type::float32: return in_features * tile_width;
    case weight_type::bfloat16: return (in_features + 1) / 2 * tile_width;
    case weight_type::int8: break;
  }
  return (in_features + group_size - 1) / group_size * group_rows * tile_width;
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

// One group of one output feature: its scale, the sum of its weights and the weights themselves.
// The scale is rounded up to bfloat16 first, so that no weight is beyond 127.
void pack_group(std::span<const float> weights, std::uint32_t* words) {
  float highest = 0;
  for (const float w : weights) highest = std::max(highest, std::fabs(w));
  const std::uint32_t above = std::bit_cast<std::uint32_t>(highest / 127) + 0xFFFFU;
  const std::uint32_t scale_bits = above & 0xFFFF0000U;
  const float scale = std::bit_cast<float>(scale_bits);
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const auto q = static_cast<std::int32_t>(std::lrint(scale > 0 ? weights[k] / scale : 0.0F));
    sum += q;
    words[(1 + k / 4) * tile_width] |= (static_cast<std::uint32_t>(q) & 0xFFU) << (k % 4 * 8);
  }
  words[0] = scale_bits | (static_cast<std::uint32_t>(sum) & 0xFFFFU);
}

void pack_quantized_rows(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
                         std::vector<float>& rows, std::uint32_t* tile) {
  const std::size_t cols = slice.num_cols();
  rows.resize(count * cols);
  slice.copy_rows(first, count, std::span<float>(rows));
  for (std::uint32_t r = 0; r < count; ++r) {
    const auto row = std::span<const float>(rows).subspan(r * cols, cols);
    for (std::size_t k = 0; k < cols; k += group_size) {
      pack_group(row.subspan(k, std::min<std::size_t>(group_size, cols - k)),
                 tile + k / group_size * group_rows * tile_width + r);
    }
  }
}

float quantized_weight(const std::uint32_t* words, std::uint32_t k) {
  const std::uint32_t* group = words + std::size_t{k} / group_size * group_rows * tile_width;
  const float scale = std::bit_cast<float>(group[0] & 0xFFFF0000U);
  const std::uint32_t word = group[(1 + k % group_size / 4) * tile_width];
  return scale * static_cast<float>(static_cast<std::int8_t>(word >> (k % 4 * 8)));
}

// One tile a call; every thread keeps the rows that it gathers into.
template <class Element, class Pack>
void pack_tiles(const linear_slice& slice, std::uint32_t num_tiles, thread_pool& pool,
                const Pack& pack) {
  std::vector<std::vector<Element>> rows(pool.num_threads());
  for (auto& r : rows) r.reserve(std::size_t{tile_width} * slice.num_cols());
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
  const auto quantize = [&](std::uint32_t tile, std::uint32_t first, std::uint32_t count,
                            std::vector<float>& rows) {
    pack_quantized_rows(slice, first, count, rows, words_.data() + tile * tile_words_);
  };
  switch (type) {
    case weight_type::float32: pack_tiles<float>(slice, num_tiles(), pool, pack); break;
    case weight_type::bfloat16: pack_tiles<bfloat16>(slice, num_tiles(), pool, pack); break;
    case weight_type::int8: pack_tiles<float>(slice, num_tiles(), pool, quantize); break;
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
      out[k] = quantized_weight(words, k);
    }
  }
}

std::uint64_t packed_matrix::size_in_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                           weight_type type) {
  const std::uint64_t tiles = (out_features + tile_width - 1) / tile_width;
  return tiles * words_per_tile(in_features, type) * sizeof(std::uint32_t);
}

}  // namespace troupe
