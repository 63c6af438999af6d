// Sums over ranks that share a device: one thread adds eight elements of every rank's buffer, in rank
// order, and writes the sum to all of them.
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 256;
constexpr unsigned elements_at_once = 8;

__global__ void __launch_bounds__(block_threads) sum_ranks_kernel(const sum_ranks_args args) {
  const std::uint64_t i = std::uint64_t{blockIdx.x} * block_threads + threadIdx.x;
  if (i * elements_at_once >= args.count) return;
  float sums[elements_at_once] = {};
  for (std::uint32_t r = 0; r < args.num_ranks; ++r) {
    const vec16 v = load_16(args.ranks[r] + i * elements_at_once);
#pragma unroll
    for (unsigned k = 0; k < 4; ++k) {
      sums[2 * k] += low_of(v.words[k]);
      sums[2 * k + 1] += high_of(v.words[k]);
    }
  }
  vec16 out;
#pragma unroll
  for (unsigned k = 0; k < 4; ++k) out.words[k] = pack(sums[2 * k], sums[2 * k + 1]);
  for (std::uint32_t r = 0; r < args.num_ranks; ++r) {
    store_16(args.ranks[r] + i * elements_at_once, out);
  }
}

}  // namespace

launch_error sum_ranks(const sum_ranks_args& args, cuda_stream stream) {
  const bool fits = args.num_ranks > 0 && args.num_ranks <= max_ranks &&
                    args.count % elements_at_once == 0;
  if (!fits) return launch_error::invalid_value;
  if (args.count == 0) return launch_error::none;
  const auto blocks =
      static_cast<unsigned>(divide_up<std::uint64_t>(args.count, block_threads * elements_at_once));
  return launch(&sum_ranks_kernel, dim3{blocks, 1, 1}, dim3{block_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
