#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned elements_per_block = block_threads * 8;

// exp(-x) may be infinite, for which the quotient is the zero that silu has there; -inf itself
// would be -inf / inf.
__device__ __forceinline__ float silu(float x) {
  return x < -100.0F ? 0.0F : x / (1.0F + exp_fast(-x));
}

__global__ void __launch_bounds__(block_threads) silu_mul_row(const silu_mul_args args) {
  const std::uint32_t i = blockIdx.y * elements_per_block + threadIdx.x * 8;
  if (i >= args.width) return;
  const std::size_t row = blockIdx.x;
  const bf16* gates = args.gate_up + row * 2 * args.width;
  const vec16 gate = load_16(gates + i);
  const vec16 up = load_16(gates + args.width + i);
  vec16 out;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    out.words[j] = pack(silu(low_of(gate.words[j])) * low_of(up.words[j]),
                        silu(high_of(gate.words[j])) * high_of(up.words[j]));
  }
  store_16(args.out + row * args.width + i, out);
}

}  // namespace

launch_error silu_mul(const silu_mul_args& args, cuda_stream stream) {
  if (args.width == 0 || args.width % 8 != 0) return launch_error::invalid_value;
  if (args.num_rows == 0) return launch_error::none;
  return launch(silu_mul_row, {args.num_rows, divide_up(args.width, elements_per_block), 1},
                {block_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
