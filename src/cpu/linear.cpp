// x * W^T by register tiles: a few rows times a few tiles of 16 output features.
#include <algorithm>

#include "cpu/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/linear.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {

// Rows and tiles that fit the registers: rows * tiles * group_vectors sums, and enough of them to
// hide the latency of a multiply-add when there is one row.
constexpr int max_rows = group_vectors == 1 ? 8 : group_vectors == 2 ? 6 : 3;
constexpr int tiles_for(int rows) {
  if (group_vectors == 1) return rows <= 4 ? 4 : 3;
  if (group_vectors == 2) return rows == 1 ? 4 : rows == 2 ? 2 : 1;
  return rows == 1 ? 2 : 1;
}

struct tile_job {
  const float* x;
  std::size_t x_stride;
  const std::uint32_t* words;
  std::size_t tile_words;
  std::uint32_t in_features;
};

template <int kParity, class Format, int kRows, int kVectors>
HWY_INLINE void multiply_add(const tile_job& job, std::size_t k, const std::uint32_t* words,
                             float_vector (&sums)[kRows][kVectors]) {
  float_vector weights[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    const std::size_t tile = static_cast<std::size_t>(v) / group_vectors;
    const std::size_t lane = static_cast<std::size_t>(v) % group_vectors * vector_lanes;
    weights[v] = Format::template load<kParity>(words + tile * job.tile_words + lane, group_lanes);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const auto x = splat(job.x[static_cast<std::size_t>(r) * job.x_stride + k + kParity]);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x, weights[v], sums[r][v]);
  }
}

// sums[row][output] = sum over k, in order, of x[row][k] * w[output][k].
template <class Format, int kRows, int kTiles>
HWY_NOINLINE void multiply_tile(const tile_job& job, float* out) {
  constexpr int vectors = kTiles * static_cast<int>(group_vectors);
  constexpr std::size_t pair_words = 2 / Format::rows_per_word * group_lanes;
  float_vector sums[kRows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) sums[r][v] = hn::Zero(float_tag());
  }
  const std::uint32_t* words = job.words;
  std::size_t k = 0;
  for (; k + 2 <= job.in_features; k += 2, words += pair_words) {
    multiply_add<0, Format>(job, k, words, sums);
    multiply_add<1, Format>(job, k, words, sums);
  }
  if (k < job.in_features) multiply_add<0, Format>(job, k, words, sums);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      hn::StoreU(sums[r][v], float_tag(),
                 out + (static_cast<std::size_t>(r) * vectors + v) * vector_lanes);
    }
  }
}

// The tile's sums, bias added, into the rows that exist.
void write_out(const linear_args& args, const float* sums, int rows, int tiles, std::uint32_t row,
               std::uint32_t tile) {
  const std::uint32_t first = tile * tile_width;
  const std::uint32_t width = static_cast<std::uint32_t>(tiles) * tile_width;
  const std::uint32_t count = std::min(width, args.matrix->out_features() - first);
  for (int r = 0; r < rows; ++r, sums += width) {
    float* out = args.out + (row + static_cast<std::size_t>(r)) * args.out_stride + first;
    if (args.bias == nullptr) {
      std::copy_n(sums, count, out);
    } else {
      for (std::uint32_t i = 0; i < count; ++i) out[i] = sums[i] + args.bias[first + i];
    }
  }
}

// All tiles of first_tile .. end_tile - 1 for kRows rows: as many tiles at once as fit, then one by
// one.
template <class Format, int kRows>
void multiply_rows(const linear_args& args, std::uint32_t row, std::uint32_t first_tile,
                   std::uint32_t end_tile) {
  constexpr int tiles = tiles_for(kRows);
  alignas(64) float sums[kRows * tiles * tile_width];
  const packed_matrix& matrix = *args.matrix;
  tile_job job{args.x + row * args.x_stride, args.x_stride, nullptr, matrix.tile_words(),
               matrix.in_features()};
  std::uint32_t tile = first_tile;
  for (; tile + tiles <= end_tile; tile += tiles) {
    job.words = matrix.words() + tile * matrix.tile_words();
    multiply_tile<Format, kRows, tiles>(job, sums);
    write_out(args, sums, kRows, tiles, row, tile);
  }
  for (; tile < end_tile; ++tile) {
    job.words = matrix.words() + tile * matrix.tile_words();
    multiply_tile<Format, kRows, 1>(job, sums);
    write_out(args, sums, kRows, 1, row, tile);
  }
}

template <class Format, int kRows>
void multiply_remaining_rows(const linear_args& args, std::uint32_t num_rows, std::uint32_t row,
                             std::uint32_t first_tile, std::uint32_t end_tile) {
  if constexpr (kRows > 0) {
    if (num_rows == kRows) {
      multiply_rows<Format, kRows>(args, row, first_tile, end_tile);
    } else {
      multiply_remaining_rows<Format, kRows - 1>(args, num_rows, row, first_tile, end_tile);
    }
  }
}

template <class Format>
void multiply_block(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
                    std::uint32_t first_tile, std::uint32_t end_tile) {
  std::uint32_t row = first_row;
  for (; row + max_rows <= end_row; row += max_rows) {
    multiply_rows<Format, max_rows>(args, row, first_tile, end_tile);
  }
  multiply_remaining_rows<Format, max_rows - 1>(args, end_row - row, row, first_tile, end_tile);
}

}  // namespace

void linear_block(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
                  std::uint32_t first_tile, std::uint32_t end_tile) {
  if (args.matrix->type() == dtype::float32) {
    multiply_block<float32_format>(args, first_row, end_row, first_tile, end_tile);
  } else {
    multiply_block<bfloat16_format>(args, first_row, end_row, first_tile, end_tile);
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(linear_block);

// Rows of x that a core's second-level cache keeps beside the weights while all tiles pass by. A
// multiple of 24, so that every target's number of rows at once divides it.
std::uint32_t rows_per_block(std::uint32_t in_features) {
  constexpr std::uint32_t cached_floats = 128U << 10U;
  return std::clamp(cached_floats / in_features / 24 * 24, 24U, 240U);
}
// A multiple of every kernel's number of tiles: 192 output features.
constexpr std::uint32_t tiles_per_block = 12;

}  // namespace

void linear(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
            std::uint32_t first_tile, std::uint32_t end_tile) {
  HWY_DYNAMIC_DISPATCH(linear_block)(args, first_row, end_row, first_tile, end_tile);
}

void linear(const linear_args& args, thread_pool& pool) {
  const std::uint32_t block_rows = rows_per_block(args.matrix->in_features());
  const std::uint32_t row_blocks = (args.num_rows + block_rows - 1) / block_rows;
  const std::uint32_t num_tiles = args.matrix->num_tiles();
  const std::uint32_t tile_blocks = (num_tiles + tiles_per_block - 1) / tiles_per_block;
  pool.parallel_for(row_blocks * tile_blocks, [&](std::uint32_t i, std::uint32_t) {
    const std::uint32_t row = i / tile_blocks * block_rows;
    const std::uint32_t tile = i % tile_blocks * tiles_per_block;
    linear(args, row, std::min(row + block_rows, args.num_rows), tile,
           std::min(tile + tiles_per_block, num_tiles));
  });
}

}  // namespace troupe::kernels
#endif
