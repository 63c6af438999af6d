#include "core/batch.hpp"
#include "cuda/kernels/e4m3.cuh"
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

// Where a key or value goes: the place of its first element, or of its byte, in its head's page.
struct page_line {
  std::byte* page;
  std::uint32_t token;
};

__device__ __forceinline__ page_line line_of(const rope_kv_write_args& args, std::uint32_t place,
                                             std::uint32_t kv_row) {
  const head_shape& heads = args.heads;
  const std::size_t page = place / page_size_tokens;
  const std::size_t head = page * heads.num_kv_heads + kv_row % heads.num_kv_heads;
  std::byte* pages = kv_row < heads.num_kv_heads ? args.pages.keys : args.pages.values;
  return {pages + head * head_page_bytes(args.pages.format, heads.head_dim),
          place % page_size_tokens};
}

__device__ __forceinline__ float largest_of(const vec16& x) {
  float largest = 0;
#pragma unroll
  for (const std::uint32_t word : x.words) {
    largest = fmaxf(largest, fmaxf(fabsf(low_of(word)), fabsf(high_of(word))));
  }
  return largest;
}

__device__ __forceinline__ void store_bytes(std::byte* target, const vec16& x, float shrink) {
  std::uint32_t words[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const std::uint32_t a = x.words[2 * i];
    const std::uint32_t b = x.words[2 * i + 1];
    words[i] = e4m3_pair(low_of(a) * shrink, high_of(a) * shrink) |
               e4m3_pair(low_of(b) * shrink, high_of(b) * shrink) << 16U;
  }
  store_8(target, words[0], words[1]);
}

// A row's block; head_dim / 16 threads take a head: a thread moves 16 elements of it.
template <kv_format Format>
__global__ void __launch_bounds__(block_threads)
    rope_row(const __grid_constant__ rope_kv_write_args args) {
  const head_shape& heads = args.heads;
  const std::uint32_t row = blockIdx.x;
  const std::uint32_t half_dim = heads.head_dim / 2;
  const std::uint32_t threads_per_head = half_dim / 8;
  const std::uint32_t num_heads = heads.num_q_heads + 2 * heads.num_kv_heads;
  const std::uint32_t head = (blockIdx.y * block_threads + threadIdx.x) / threads_per_head;
  const std::uint32_t i = threadIdx.x % threads_per_head * 8;
  bf16* source = args.qkv + (static_cast<std::size_t>(row) * num_heads + head) * heads.head_dim + i;
  const bool is_query = head < heads.num_q_heads;
  const std::int32_t place = args.kv_places[row];
  const bool is_idle = head >= num_heads || (!is_query && place < 0);
  vec16 first{};
  vec16 second{};
  if (!is_idle) {
    first = load_16(source);
    second = load_16(source + half_dim);
  }
  if (!is_idle && head < heads.num_q_heads + heads.num_kv_heads) {
    const rope_tables& table = args.tables[args.ropes[row]];
    const std::size_t angle = static_cast<std::size_t>(args.positions[row]) * half_dim + i;
    rotate(first, second, table.cos + angle, table.sin + angle);
  }
  std::uint32_t exponent = 0;
  if constexpr (Format == kv_format::e4m3) {
    // Of the threads that have the head; idle ones are asked, too.
    float largest = fmaxf(largest_of(first), largest_of(second));
    for (std::uint32_t lanes = 1; lanes < threads_per_head; lanes *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(full_mask, largest, static_cast<int>(lanes)));
    }
    exponent = row_exponent(largest);
  }
  if (is_idle) return;
  if (is_query) {
    store_16(source, first);
    store_16(source + half_dim, second);
    return;
  }
  const page_line line = line_of(args, static_cast<std::uint32_t>(place), head - heads.num_q_heads);
  if constexpr (Format == kv_format::e4m3) {
    std::byte* target = line.page + line.token * heads.head_dim + i;
    store_bytes(target, first, row_shrink(exponent));
    store_bytes(target + half_dim, second, row_shrink(exponent));
    if (i == 0) {
      line.page[page_size_tokens * heads.head_dim + line.token] = static_cast<std::byte>(exponent);
    }
  } else {
    bf16* target = reinterpret_cast<bf16*>(line.page) + line.token * heads.head_dim + i;
    store_16(target, first);
    store_16(target + half_dim, second);
  }
}

}  // namespace

launch_error rope_kv_write(const rope_kv_write_args& args, cuda_stream stream) {
  const head_shape& heads = args.heads;
  if (heads.head_dim != 64 && heads.head_dim != 128) return launch_error::invalid_value;
  if (args.num_rows == 0) return launch_error::none;
  const std::uint32_t threads =
      (heads.num_q_heads + 2 * heads.num_kv_heads) * (heads.head_dim / 16);
  const auto kernel = args.pages.format == kv_format::e4m3 ? &rope_row<kv_format::e4m3>
                                                           : &rope_row<kv_format::bf16>;
  return launch(kernel, {args.num_rows, divide_up(threads, block_threads), 1},
                {block_threads, 1, 1}, 0, stream, args);
}

}  // namespace troupe::cuda
