// Rows times a matrix of int8 with a scale for each group of 128: the weights are read as they are
// and become bfloat16, exactly, in registers. As in skinny_linear the rows of the weights are the
// rows of the tensor cores' tiles, and each lane's 16 bytes of a row serve as the pairs that four
// instructions want of it. What a group adds up to is scaled in float32.
#include "cuda/kernels/gpu.cuh"
#include "model/integer_groups.hpp"

namespace troupe::cuda {
namespace {

constexpr unsigned num_warps = 8;
constexpr unsigned block_threads = num_warps * warp_size;
constexpr unsigned tile_rows = 16;     // of the weights
constexpr unsigned tile_columns = 64;  // that a warp takes at once: half a group
constexpr unsigned unrolled = 2;       // tiles that are loaded before the first is used
constexpr unsigned expand_threads = 256;

template <unsigned Eights>
struct byte_memory {
  float sums[num_warps][Eights * 8][tile_rows];
};

// Four signed bytes as two pairs of bfloat16: added to 2^23 their digits are a float's.
__device__ __forceinline__ void widen(std::uint32_t bytes, std::uint32_t& first,
                                      std::uint32_t& second) {
  const std::uint32_t shifted = bytes ^ 0x80808080U;  // 128 more, unsigned
  float numbers[4];
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    numbers[i] = float_of(0x4B000000U | (shifted >> 8U * i & 0xFFU)) - 8388736.0F;
  }
  first = pack(numbers[0], numbers[1]);
  second = pack(numbers[2], numbers[3]);
}

struct wide_row {
  std::uint32_t words[8];
};

__device__ __forceinline__ wide_row widen_row(const vec16& bytes) {
  wide_row out;
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    widen(bytes.words[i], out.words[2 * i], out.words[2 * i + 1]);
  }
  return out;
}

// A lane's part of a tile.
struct byte_tile {
  vec16 top;     // of row lane / 4
  vec16 bottom;  // of the row 8 further down
  float top_scale;
  float bottom_scale;
};

struct matrix_rows {
  const std::int8_t* top;  // null: no such row, zeros
  const std::int8_t* bottom;
  const float16* top_scales;
  const float16* bottom_scales;
};

// A lane scales sums over all columns of the tile, those of other lanes, too.
__device__ __forceinline__ byte_tile load_tile(const matrix_rows& rows, std::uint32_t first_column,
                                               std::uint32_t in_features) {
  byte_tile out{};
  if (first_column >= in_features) return out;
  const std::uint32_t column = first_column + threadIdx.x % 4 * 16;
  const bool is_inside = column < in_features;
  out.top_scale = half_to_float(rows.top_scales[first_column / group_size]);
  out.bottom_scale = half_to_float(rows.bottom_scales[first_column / group_size]);
  if (is_inside && rows.top != nullptr) out.top = load_16_once(rows.top + column);
  if (is_inside && rows.bottom != nullptr) out.bottom = load_16_once(rows.bottom + column);
  return out;
}

// The tile times eight rows of x, added to their sums.
__device__ __forceinline__ void multiply_tile(float (&sums)[4], const wide_row& top,
                                              const wide_row& bottom, const byte_tile& tile,
                                              const bf16* x) {
  vec16 columns[2] = {};
  if (x != nullptr) {
    columns[0] = load_16(x);
    columns[1] = load_16(x + 8);
  }
  float part[4] = {0, 0, 0, 0};
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    const std::uint32_t a[4] = {top.words[2 * i], bottom.words[2 * i], top.words[2 * i + 1],
                                bottom.words[2 * i + 1]};
    const vec16& b = columns[i / 2];
    multiply_add(part, a, b.words[i % 2 * 2], b.words[i % 2 * 2 + 1]);
  }
  sums[0] += part[0] * tile.top_scale;
  sums[1] += part[1] * tile.top_scale;
  sums[2] += part[2] * tile.bottom_scale;
  sums[3] += part[3] * tile.bottom_scale;
}

// A warp's share: every num_warps-th tile of columns.
template <unsigned Eights>
__device__ __forceinline__ void multiply_share(float (&sums)[Eights][4], const matrix_rows& rows,
                                               const byte_linear_args& args) {
  constexpr std::uint32_t stride = num_warps * tile_columns;
  const std::uint32_t x_row = threadIdx.x % warp_size / 4;
  for (std::uint32_t k = threadIdx.x / warp_size * tile_columns; k < args.in_features;
       k += unrolled * stride) {
    byte_tile tiles[unrolled];
#pragma unroll
    for (unsigned i = 0; i < unrolled; ++i) {
      tiles[i] = load_tile(rows, k + i * stride, args.in_features);
    }
#pragma unroll
    for (unsigned i = 0; i < unrolled; ++i) {
      const std::uint32_t column = k + i * stride + threadIdx.x % 4 * 16;
      const wide_row top = widen_row(tiles[i].top);
      const wide_row bottom = widen_row(tiles[i].bottom);
#pragma unroll
      for (unsigned eight = 0; eight < Eights; ++eight) {
        const std::uint32_t row = eight * 8 + x_row;
        const bool is_inside = row < args.num_rows && column < args.in_features;
        const std::size_t first = static_cast<std::size_t>(row) * args.in_features + column;
        multiply_tile(sums[eight], top, bottom, tiles[i], is_inside ? args.x + first : nullptr);
      }
    }
  }
}

__device__ __forceinline__ void store_sum(const byte_linear_args& args, std::uint32_t row,
                                          std::uint32_t feature, float sum) {
  if (args.bias != nullptr) sum += args.bias[feature];
  const std::size_t place = static_cast<std::size_t>(row) * args.out_features + feature;
  if (args.out_float32 != nullptr) {
    args.out_float32[place] = sum;
  } else {
    args.out[place] = to_bf16(sum);
  }
}

// Up to 8 * Eights rows of x.
template <unsigned Eights>
__global__ void __launch_bounds__(block_threads) byte_tiles(const byte_linear_args args) {
  auto& memory = block_memory_as<byte_memory<Eights>>();
  const unsigned warp = threadIdx.x / warp_size;
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t first_row = blockIdx.x * tile_rows;
  const std::uint32_t top = first_row + lane / 4;
  const std::uint32_t bottom = top + 8;
  const std::size_t groups = num_groups(args.in_features);
  const bool has_top = top < args.out_features;
  const bool has_bottom = bottom < args.out_features;
  const std::size_t width = args.in_features;
  const matrix_rows rows{has_top ? args.weights + top * width : nullptr,
                         has_bottom ? args.weights + bottom * width : nullptr,
                         args.scales + (has_top ? top * groups : 0),
                         args.scales + (has_bottom ? bottom * groups : 0)};
  float sums[Eights][4] = {};
  multiply_share<Eights>(sums, rows, args);
#pragma unroll
  for (unsigned eight = 0; eight < Eights; ++eight) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      memory.sums[warp][eight * 8 + lane % 4 * 2 + i % 2][lane / 4 + i / 2 * 8] = sums[eight][i];
    }
  }
  __syncthreads();
  for (unsigned at = threadIdx.x; at < args.num_rows * tile_rows; at += block_threads) {
    const std::uint32_t row = at / tile_rows;
    const std::uint32_t feature = first_row + at % tile_rows;
    if (feature >= args.out_features) continue;
    float sum = 0;
    for (unsigned w = 0; w < num_warps; ++w) sum += memory.sums[w][row][at % tile_rows];
    store_sum(args, row, feature, sum);
  }
}

template <unsigned Eights>
launch_error launch_tiles(const byte_linear_args& args, cuda_stream stream) {
  return launch(byte_tiles<Eights>, {divide_up(args.out_features, tile_rows), 1, 1},
                {block_threads, 1, 1}, sizeof(byte_memory<Eights>), stream, args);
}

// A thread makes 16 numbers of a row.
__global__ void __launch_bounds__(expand_threads) expand_row(const expand_weights_args args) {
  const std::size_t row = blockIdx.x;
  const std::size_t groups = num_groups(args.in_features);
  const std::uint32_t column = (blockIdx.y * expand_threads + threadIdx.x) * 16;
  if (column >= args.in_features) return;
  const float scale = half_to_float(args.scales[row * groups + column / group_size]);
  const wide_row wide = widen_row(load_16_once(args.weights + row * args.in_features + column));
  vec16 out[2];
#pragma unroll
  for (unsigned i = 0; i < 8; ++i) {
    out[i / 4].words[i % 4] = pack(low_of(wide.words[i]) * scale, high_of(wide.words[i]) * scale);
  }
  bf16* target = args.out + row * args.in_features + column;
  store_16(target, out[0]);
  store_16(target + 8, out[1]);
}

}  // namespace

launch_error byte_linear(const byte_linear_args& args, cuda_stream stream) {
  const bool has_one_target = (args.out == nullptr) != (args.out_float32 == nullptr);
  if (args.in_features % 16 != 0 || args.num_rows > max_byte_linear_rows || !has_one_target) {
    return launch_error::invalid_value;
  }
  if (args.num_rows == 0 || args.out_features == 0) return launch_error::none;
  if (args.num_rows <= 8) return launch_tiles<1>(args, stream);
  if (args.num_rows <= 16) return launch_tiles<2>(args, stream);
  if (args.num_rows <= 32) return launch_tiles<4>(args, stream);
  return launch_tiles<8>(args, stream);
}

launch_error expand_weights(const expand_weights_args& args, cuda_stream stream) {
  if (args.in_features % 16 != 0) return launch_error::invalid_value;
  if (args.num_rows == 0 || args.in_features == 0) return launch_error::none;
  return launch(expand_row, {args.num_rows, divide_up(args.in_features, expand_threads * 16), 1},
                {expand_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
