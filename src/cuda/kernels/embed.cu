#include "core/batch.hpp"
#include "cuda/kernels/gpu.cuh"
#include "model/integer_groups.hpp"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 128;

// Eight neighbours of a row of bytes.
__device__ __forceinline__ vec16 eight_of_bytes(const embed_args& args, std::size_t row,
                                                std::uint32_t column) {
  const std::size_t groups = num_groups(args.width);
  const float scale = half_to_float(args.scales[row * groups + column / group_size]);
  const std::int8_t* bytes = args.bytes + row * args.width + column;
  vec16 out;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    out.words[i] = pack(static_cast<float>(bytes[2 * i]) * scale,
                        static_cast<float>(bytes[2 * i + 1]) * scale);
  }
  return out;
}

// One block copies one row.
__global__ void __launch_bounds__(block_threads) embed_row(const embed_args args) {
  const std::uint32_t row = blockIdx.x;
  std::int32_t token = args.tokens[row];
  if (token == last_sampled) token = args.next_tokens[args.slots[row]];
  const bool is_known = token >= 0 && static_cast<std::uint32_t>(token) < args.vocab_size;
  if (!is_known && threadIdx.x == 0) *args.fault = device_fault::unknown_token;
  const std::size_t from = is_known ? static_cast<std::size_t>(token) : 0;
  bf16* target = args.out + static_cast<std::size_t>(row) * args.width;
  for (std::uint32_t i = threadIdx.x * 8; i < args.width; i += block_threads * 8) {
    vec16 x{};
    if (is_known) {
      x = args.table != nullptr ? load_16(args.table + from * args.width + i)
                                : eight_of_bytes(args, from, i);
    }
    store_16(target + i, x);
  }
}

}  // namespace

launch_error embed(const embed_args& args, cuda_stream stream) {
  if (args.width % (args.table != nullptr ? 8 : 16) != 0) return launch_error::invalid_value;
  if (args.num_rows == 0) return launch_error::none;
  return launch(embed_row, {args.num_rows, 1, 1}, {block_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
