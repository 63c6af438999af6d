// x * W^T: which tiles are multiplied by whom. The register tiles are in linear_tiles-inl.hpp.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "cpu/kernels.hpp"

#include <hwy/cache_control.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/linear.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include "cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {
namespace {
#include "cpu/linear_tiles-inl.hpp"
}  // namespace

void linear_block(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
                  std::uint32_t first_tile, std::uint32_t end_tile) {
  switch (args.matrix->type()) {
    case weight_type::float32:
      multiply_block<float32_format>(args, first_row, end_row, first_tile, end_tile);
      break;
    case weight_type::bfloat16:
      multiply_block<bfloat16_format>(args, first_row, end_row, first_tile, end_tile);
      break;
    case weight_type::int8:
      multiply_block<int8_format>(args, first_row, end_row, first_tile, end_tile);
      break;
    case weight_type::int4:
      multiply_block<int4_format>(args, first_row, end_row, first_tile, end_tile);
      break;
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if TROUPE_PAIR_INSTRUCTION && HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
#pragma GCC push_options
#pragma GCC target("avx512bf16,avx512vnni")
namespace troupe::kernels::HWY_NAMESPACE::paired {
namespace {
#include "cpu/linear_tiles-inl.hpp"
}  // namespace

void linear_block(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
                  std::uint32_t first_tile, std::uint32_t end_tile) {
  switch (args.matrix->type()) {
    case weight_type::float32: break;  // has no instruction of its own
    case weight_type::bfloat16:
      multiply_block<bfloat16_format>(args, first_row, end_row, first_tile, end_tile);
      break;
    case weight_type::int8:
      multiply_block<int8_format>(args, first_row, end_row, first_tile, end_tile);
      break;
    case weight_type::int4:
      multiply_block<int4_format>(args, first_row, end_row, first_tile, end_tile);
      break;
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE::paired
#pragma GCC pop_options
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(linear_block);

// Rows of x that stay in half of a core's second-level cache while the tiles pass by: x is read in
// a dozen streams, a tile in one, so a tile is what may come from farther away.
std::uint32_t rows_per_block(std::size_t row_words) {
  constexpr std::size_t cached_words = 128U << 10U;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(cached_words / row_words, 48, 768));
}
constexpr std::uint32_t max_block_tiles = 8;
// Blocks for each thread, so that a thread that is held up leaves its share to the others.
constexpr std::uint32_t blocks_per_thread = 8;

}  // namespace

void linear(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
            std::uint32_t first_tile, std::uint32_t end_tile) {
  if (args.matrix->type() == weight_type::float32) {
    HWY_DYNAMIC_DISPATCH(linear_block)(args, first_row, end_row, first_tile, end_tile);
    return;
  }
  const flush_subnormals flush;
#if TROUPE_PAIR_INSTRUCTION
  if (uses_pair_instruction()) {
    N_AVX3::paired::linear_block(args, first_row, end_row, first_tile, end_tile);
    return;
  }
#endif
  HWY_DYNAMIC_DISPATCH(linear_block)(args, first_row, end_row, first_tile, end_tile);
}

void linear(const linear_args& args, thread_pool& pool) {
  const std::uint32_t block_rows = rows_per_block(args.x_stride);
  const std::uint32_t row_blocks = (args.num_rows + block_rows - 1) / block_rows;
  const std::uint32_t num_tiles = args.matrix->num_tiles();
  const std::uint32_t tiles_at_once =
      std::clamp(num_tiles / (blocks_per_thread * pool.num_threads()), 1U,
                 args.maxima.out != nullptr ? maxima_per_line : max_block_tiles);
  const std::uint32_t tile_blocks = (num_tiles + tiles_at_once - 1) / tiles_at_once;
  pool.parallel_for(row_blocks * tile_blocks, [&](std::uint32_t i, std::uint32_t) {
    const std::uint32_t block = i / tile_blocks;
    const std::uint32_t tile = i % tile_blocks * tiles_at_once;
    linear(args, args.num_rows * block / row_blocks, args.num_rows * (block + 1) / row_blocks, tile,
           std::min(tile + tiles_at_once, num_tiles));
  });
}

}  // namespace troupe::kernels
#endif
