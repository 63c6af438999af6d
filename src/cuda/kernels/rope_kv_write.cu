#include "core/batch.hpp"
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 128;

// Eight neighbours of a head and the eight that rotate with them.
__device__ __forceinline__ void rotate(vec16& first, vec16& second, const float* cos,
                                       const float* sin) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const vec16 c = load_16(cos + 4 * half);
    const vec16 s = load_16(sin + 4 * half);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const float c0 = float_of(c.words[2 * j]);
      const float c1 = float_of(c.words[2 * j + 1]);
      const float s0 = float_of(s.words[2 * j]);
      const float s1 = float_of(s.words[2 * j + 1]);
      const std::uint32_t a = first.words[2 * half + j];
      const std::uint32_t b = second.words[2 * half + j];
      first.words[2 * half + j] =
          pack(low_of(a) * c0 - low_of(b) * s0, high_of(a) * c1 - high_of(b) * s1);
      second.words[2 * half + j] =
          pack(low_of(b) * c0 + low_of(a) * s0, high_of(b) * c1 + high_of(a) * s1);
    }
  }
}

// A row's block; head_dim / 16 threads take a head: a thread moves 16 elements of it.
__global__ void __launch_bounds__(block_threads)
    rope_row(const __grid_constant__ rope_kv_write_args args) {
  const head_shape& heads = args.heads;
  const std::uint32_t row = blockIdx.x;
  const std::uint32_t half_dim = heads.head_dim / 2;
  const std::uint32_t threads_per_head = half_dim / 8;
  const std::uint32_t num_heads = heads.num_q_heads + 2 * heads.num_kv_heads;
  const std::uint32_t head = (blockIdx.y * block_threads + threadIdx.x) / threads_per_head;
  if (head >= num_heads) return;
  const std::uint32_t i = threadIdx.x % threads_per_head * 8;
  bf16* source = args.qkv + (static_cast<std::size_t>(row) * num_heads + head) * heads.head_dim + i;
  const bool is_query = head < heads.num_q_heads;
  const std::int32_t place = args.kv_places[row];
  if (!is_query && place < 0) return;
  vec16 first = load_16(source);
  vec16 second = load_16(source + half_dim);
  const bool is_value = head >= heads.num_q_heads + heads.num_kv_heads;
  if (!is_value) {
    const rope_tables& table = args.tables[args.ropes[row]];
    const std::size_t angle = static_cast<std::size_t>(args.positions[row]) * half_dim + i;
    rotate(first, second, table.cos + angle, table.sin + angle);
  }
  bf16* target = source;
  if (!is_query) {
    const std::uint32_t page = static_cast<std::uint32_t>(place) / page_size_tokens;
    const std::uint32_t token = static_cast<std::uint32_t>(place) % page_size_tokens;
    const std::uint32_t kv_head = (head - heads.num_q_heads) % heads.num_kv_heads;
    const std::size_t line =
        (static_cast<std::size_t>(page) * heads.num_kv_heads + kv_head) * page_size_tokens + token;
    target = (is_value ? args.pages.values : args.pages.keys) + line * heads.head_dim + i;
  }
  store_16(target, first);
  store_16(target + half_dim, second);
}

}  // namespace

launch_error rope_kv_write(const rope_kv_write_args& args, cuda_stream stream) {
  const head_shape& heads = args.heads;
  if (heads.head_dim != 64 && heads.head_dim != 128) return launch_error::invalid_value;
  if (args.num_rows == 0) return launch_error::none;
  const std::uint32_t threads =
      (heads.num_q_heads + 2 * heads.num_kv_heads) * (heads.head_dim / 16);
  return launch(rope_row, {args.num_rows, divide_up(threads, block_threads), 1},
                {block_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
