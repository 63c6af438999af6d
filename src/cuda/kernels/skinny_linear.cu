// Few rows times a large matrix: as fast as the weights can be read, so they go straight from
// memory into the registers that the tensor cores take.
//
// The product runs with exchanged operands: 16 rows of the weights are the rows of a tile, the
// (up to 8) rows of x its columns. A sum may run in any order as long as both operands have the
// same: so each lane's 16 bytes of a row, eight neighbours, serve as the pairs that two
// instructions want of it, and no lane loads less than 16 bytes.
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned num_warps = 8;
constexpr unsigned block_threads = num_warps * warp_size;
constexpr unsigned tile_rows = 16;     // of the weights
constexpr unsigned tile_columns = 32;  // that a warp takes at once
constexpr unsigned unrolled = 4;       // tiles that are loaded before the first is used

struct skinny_memory {
  float sums[num_warps][max_skinny_rows][tile_rows];
};

struct fragments {
  vec16 top;     // of row lane / 4 of the tile
  vec16 bottom;  // of the row 8 further down
  vec16 x;       // of x's row lane / 4
};

struct operand_rows {
  const bf16* top;  // null: no such row, zeros
  const bf16* bottom;
  const bf16* x;
};

__device__ __forceinline__ fragments load_tile(const operand_rows& rows, std::uint32_t column,
                                               std::uint32_t in_features) {
  fragments out{};
  if (column >= in_features) return out;
  if (rows.top != nullptr) out.top = load_16_once(rows.top + column);
  if (rows.bottom != nullptr) out.bottom = load_16_once(rows.bottom + column);
  if (rows.x != nullptr) out.x = load_16(rows.x + column);
  return out;
}

__device__ __forceinline__ void multiply_tile(float (&sums)[4], const fragments& tile) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::uint32_t a[4] = {tile.top.words[2 * half], tile.bottom.words[2 * half],
                                tile.top.words[2 * half + 1], tile.bottom.words[2 * half + 1]};
    multiply_add(sums, a, tile.x.words[2 * half], tile.x.words[2 * half + 1]);
  }
}

// A warp's share: every num_warps-th tile of columns.
__device__ __forceinline__ void multiply_share(float (&sums)[4], const operand_rows& rows,
                                               std::uint32_t in_features) {
  constexpr std::uint32_t stride = num_warps * tile_columns;
  const unsigned warp = threadIdx.x / warp_size;
  const std::uint32_t first_in_tile = threadIdx.x % 4 * 8;
  for (std::uint32_t k = warp * tile_columns; k < in_features; k += unrolled * stride) {
    fragments tiles[unrolled];
#pragma unroll
    for (unsigned i = 0; i < unrolled; ++i) {
      tiles[i] = load_tile(rows, k + i * stride + first_in_tile, in_features);
    }
#pragma unroll
    for (unsigned i = 0; i < unrolled; ++i) multiply_tile(sums, tiles[i]);
  }
}

__global__ void __launch_bounds__(block_threads) skinny_tile(const skinny_linear_args args) {
  auto& memory = block_memory_as<skinny_memory>();
  const unsigned warp = threadIdx.x / warp_size;
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t first_row = blockIdx.x * tile_rows;
  const std::uint32_t top = first_row + lane / 4;
  const auto row_of = [&](const bf16* matrix, std::uint32_t row, std::uint32_t count) {
    return row < count ? matrix + static_cast<std::size_t>(row) * args.in_features : nullptr;
  };
  const operand_rows rows{row_of(args.weights, top, args.out_features),
                          row_of(args.weights, top + 8, args.out_features),
                          row_of(args.x, lane / 4, args.num_rows)};
  float sums[4] = {0, 0, 0, 0};
  multiply_share(sums, rows, args.in_features);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    memory.sums[warp][lane % 4 * 2 + i % 2][lane / 4 + i / 2 * 8] = sums[i];
  }
  __syncthreads();
  const std::uint32_t row = threadIdx.x / tile_rows;
  const std::uint32_t feature = first_row + threadIdx.x % tile_rows;
  if (row >= args.num_rows || feature >= args.out_features) return;
  float sum = args.bias != nullptr ? args.bias[feature] : 0.0F;
  for (unsigned w = 0; w < num_warps; ++w) sum += memory.sums[w][row][threadIdx.x % tile_rows];
  const std::size_t place = static_cast<std::size_t>(row) * args.out_features + feature;
  if (args.addend != nullptr) sum += to_float(args.addend[place]);
  if (args.out_float32 != nullptr) {
    args.out_float32[place] = sum;
  } else {
    args.out[place] = to_bf16(sum);
  }
}

}  // namespace

launch_error skinny_linear(const skinny_linear_args& args, cuda_stream stream) {
  const bool has_one_target = (args.out == nullptr) != (args.out_float32 == nullptr);
  if (args.in_features % 8 != 0 || args.num_rows > max_skinny_rows || !has_one_target) {
    return launch_error::invalid_value;
  }
  if (args.num_rows == 0 || args.out_features == 0) return launch_error::none;
  return launch(skinny_tile, {divide_up(args.out_features, tile_rows), 1, 1}, {block_threads, 1, 1},
                sizeof(skinny_memory), stream, args);
}

}  // namespace troupe::cuda
