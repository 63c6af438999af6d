#include "core/batch.hpp"
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 128;

// One block copies one row.
__global__ void __launch_bounds__(block_threads) embed_row(const embed_args args) {
  const std::uint32_t row = blockIdx.x;
  std::int32_t token = args.tokens[row];
  if (token == last_sampled) token = args.next_tokens[args.slots[row]];
  const bool is_known = token >= 0 && static_cast<std::uint32_t>(token) < args.vocab_size;
  if (!is_known && threadIdx.x == 0) *args.fault = 1;
  const bf16* source = args.table + static_cast<std::size_t>(is_known ? token : 0) * args.width;
  bf16* target = args.out + static_cast<std::size_t>(row) * args.width;
  for (std::uint32_t i = threadIdx.x * 8; i < args.width; i += block_threads * 8) {
    store_16(target + i, is_known ? load_16(source + i) : vec16{});
  }
}

}  // namespace

launch_error embed(const embed_args& args, cuda_stream stream) {
  if (args.width % 8 != 0) return launch_error::invalid_value;
  if (args.num_rows == 0) return launch_error::none;
  return launch(embed_row, {args.num_rows, 1, 1}, {block_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
