// One query row against its pages. The up to 8 query heads of a KV head share its keys, so that
// memory is read once for all of them, and stand in the columns of the tensor cores' tiles:
//   S^T [16 keys, 8 heads]   = K [16 keys, dim] * Q^T [dim, 8 heads]
//   O^T [dim, 8 heads]      += V^T [dim, 16 keys] * P^T [16 keys, 8 heads]
// A warp walks every fourth page of its part with copies of the next ones under way; warps meet
// only at the end.
#include "cuda/kernels/kv_tile.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned num_warps = 4;
constexpr unsigned block_threads = num_warps * warp_size;
constexpr unsigned max_group = 8;

// A warp has pages on their way, keys and then values of each, and, where those are bytes, one page
// that was made of them.
template <unsigned Dim, kv_format Format>
struct decode_tiles {
  static constexpr bool has_bytes = Format == kv_format::e4m3;
  static constexpr unsigned stages = (Dim == 64 ? 4 : 3) + (has_bytes ? 1 : 0);
  static constexpr std::uint32_t tile_bytes = page_size_tokens * Dim * 2;
  static constexpr std::uint32_t page_bytes = head_page_bytes(Format, Dim);
  static constexpr std::uint32_t stage_bytes = 2 * page_bytes;
  static constexpr std::uint32_t ring_bytes = stages * stage_bytes;
  static constexpr std::uint32_t warp_bytes = ring_bytes + (has_bytes ? 2 * tile_bytes : 0);
  static constexpr std::uint32_t block_bytes = num_warps * warp_bytes;
};

// What each warp hands over at the end, where the tiles stood.
template <unsigned Dim>
struct warp_results {
  float sums[num_warps][max_group][Dim];
  float maxima[num_warps][max_group];
  float totals[num_warps][max_group];
};

// Running softmax of the two heads whose columns a lane holds.
template <unsigned Dim>
struct running_heads {
  float out[Dim / 16][4];
  float maxima[2];
  float totals[2];  // of this lane's keys
};

template <unsigned Dim>
__device__ __forceinline__ void load_queries(std::uint32_t (&queries)[Dim / 16][2],
                                             const bf16* first_head, unsigned group) {
  const unsigned lane = threadIdx.x % warp_size;
  const unsigned head = lane / 4;
  const auto* words = reinterpret_cast<const std::uint32_t*>(first_head + head * Dim) + lane % 4;
#pragma unroll
  for (unsigned k = 0; k < Dim / 16; ++k) {
    queries[k][0] = head < group ? words[k * 8] : 0U;
    queries[k][1] = head < group ? words[k * 8 + 4] : 0U;
  }
}

template <unsigned Dim, kv_format Format>
__device__ __forceinline__ void start_page(std::uint32_t stage, const kv_pages& pages,
                                           std::size_t first) {
  using tiles = decode_tiles<Dim, Format>;
  constexpr unsigned chunks = Dim / 8;
  const unsigned lane = threadIdx.x % warp_size;
  for (unsigned at = lane; at < tiles::page_bytes / 16; at += warp_size) {
    const std::uint32_t place =
        tiles::has_bytes ? stage + at * 16 : tile_place<Dim>(stage, at / chunks, at % chunks);
    copy_async(place, pages.keys + first + at * 16);
    copy_async(place + tiles::page_bytes, pages.values + first + at * 16);
  }
}

// A page of bytes, keys or values, as bfloat16.
template <unsigned Dim>
__device__ __forceinline__ void expand_page(std::uint32_t tile, std::uint32_t bytes) {
  const std::byte* page = block_memory() + (bytes - shared_address(block_memory()));
#pragma unroll
  for (unsigned i = 0; i < Dim / warp_size; ++i) {
    const unsigned at = i * warp_size + threadIdx.x % warp_size;
    const unsigned row = at / (Dim / 16);
    expand_into<Dim>(tile, row, at % (Dim / 16), page + at * 16,
                     page[page_size_tokens * Dim + row]);
  }
}

// Behind the context a page holds what was there before, which may be NaN: a weight of zero would
// not hide it.
template <unsigned Dim>
__device__ __forceinline__ void clear_values(std::uint32_t values, unsigned first_row) {
  constexpr unsigned chunks = Dim / 8;
  const std::uint32_t base = shared_address(block_memory());
  for (unsigned at = first_row * chunks + threadIdx.x % warp_size; at < page_size_tokens * chunks;
       at += warp_size) {
    const std::uint32_t place = tile_place<Dim>(values, at / chunks, at % chunks);
    store_16(block_memory() + (place - base), vec16{});
  }
}

// Scores of 16 keys: a lane has keys lane / 4 and that + 8 for heads 2 * (lane % 4) and the next.
template <unsigned Dim>
__device__ __forceinline__ void score_page(float (&scores)[4], std::uint32_t keys,
                                           const std::uint32_t (&queries)[Dim / 16][2],
                                           unsigned num_keys, float scale) {
  const unsigned lane = threadIdx.x % warp_size;
#pragma unroll
  for (float& s : scores) s = 0;
#pragma unroll
  for (unsigned k = 0; k < Dim / 16; ++k) {
    std::uint32_t rows[4];
    load_matrices(rows, tile_place<Dim>(keys, lane % 16, k * 2 + lane / 16));
    multiply_add(scores, rows, queries[k][0], queries[k][1]);
  }
#pragma unroll
  for (unsigned i = 0; i < 4; ++i) {
    const bool is_seen = lane / 4 + i / 2 * 8 < num_keys;
    scores[i] = is_seen ? scores[i] * scale : minus_infinity;
  }
}

// Turns scores into weights relative to the new maxima, and what was summed before with them.
template <unsigned Dim>
__device__ __forceinline__ void weigh_page(float (&scores)[4], running_heads<Dim>& heads) {
#pragma unroll
  for (unsigned head = 0; head < 2; ++head) {
    float highest = fmaxf(scores[head], scores[head + 2]);
#pragma unroll
    for (int lanes = 4; lanes < 32; lanes *= 2) {
      highest = fmaxf(highest, __shfl_xor_sync(full_mask, highest, lanes));
    }
    highest = fmaxf(highest, heads.maxima[head]);
    const float shrink = exp2_fast(heads.maxima[head] - highest);
    heads.maxima[head] = highest;
    scores[head] = exp2_fast(scores[head] - highest);
    scores[head + 2] = exp2_fast(scores[head + 2] - highest);
    heads.totals[head] = heads.totals[head] * shrink + scores[head] + scores[head + 2];
#pragma unroll
    for (unsigned i = 0; i < Dim / 16; ++i) {
      heads.out[i][head] *= shrink;
      heads.out[i][head + 2] *= shrink;
    }
  }
}

template <unsigned Dim>
__device__ __forceinline__ void add_values(running_heads<Dim>& heads, const float (&weights)[4],
                                           std::uint32_t values) {
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t low = transpose(pack(weights[0], weights[1]));
  const std::uint32_t high = transpose(pack(weights[2], weights[3]));
  // The four 8 x 8 matrices: keys 0-7 and features 0-7, features 8-15, then keys 8-15.
  const unsigned row = lane % 8 + lane / 16 * 8;
#pragma unroll
  for (unsigned i = 0; i < Dim / 16; ++i) {
    std::uint32_t turned[4];
    load_transposed(turned, tile_place<Dim>(values, row, i * 2 + lane / 8 % 2));
    multiply_add(heads.out[i], turned, low, high);
  }
}

// This warp's pages of the part, one after the other.
template <unsigned Dim, kv_format Format>
__device__ __forceinline__ void walk_pages(running_heads<Dim>& heads, const attention_args& args,
                                           const decode_part& part, std::uint32_t kv_head) {
  using tiles = decode_tiles<Dim, Format>;
  constexpr unsigned stages = tiles::stages;
  const unsigned warp = threadIdx.x / warp_size;
  const unsigned group = args.heads.num_q_heads / args.heads.num_kv_heads;
  const std::uint32_t* table = args.page_table + part.first_page_idx;
  const std::uint32_t ring = shared_address(block_memory()) + warp * tiles::warp_bytes;
  const std::uint32_t end = part.first_page + part.num_pages;
  const float scale = log2_e / sqrtf(static_cast<float>(Dim));
  std::uint32_t queries[Dim / 16][2];
  load_queries<Dim>(queries,
                    args.qkv + static_cast<std::size_t>(part.row) * args.qkv_stride +
                        static_cast<std::size_t>(kv_head) * group * Dim,
                    group);
  const auto start = [&](std::uint32_t stage, std::uint32_t page) {
    if (page < end) {
      start_page<Dim, Format>(
          ring + stage * tiles::stage_bytes, args.pages,
          page_start<Dim, Format>(table[page], kv_head, args.heads.num_kv_heads));
    }
    commit_copies();
  };
  std::uint32_t page = part.first_page + warp;
#pragma unroll
  for (unsigned s = 0; s + 1 < stages; ++s) start(s, page + num_warps * s);
  std::uint32_t stage = 0;
  for (; page < end; page += num_warps) {
    start((stage + stages - 1) % stages, page + num_warps * (stages - 1));
    await_copies<stages - 1>();
    __syncwarp();
    std::uint32_t keys = ring + stage * tiles::stage_bytes;
    std::uint32_t values = keys + tiles::page_bytes;
    if constexpr (tiles::has_bytes) {
      const std::uint32_t expanded = ring + tiles::ring_bytes;
      expand_page<Dim>(expanded, keys);
      expand_page<Dim>(expanded + tiles::tile_bytes, values);
      __syncwarp();
      keys = expanded;
      values = expanded + tiles::tile_bytes;
    }
    const unsigned num_keys = part.context_tokens - page * page_size_tokens;
    if (num_keys < page_size_tokens) {
      clear_values<Dim>(values, num_keys);
      __syncwarp();
    }
    float scores[4];
    score_page<Dim>(scores, keys, queries, num_keys, scale);
    weigh_page<Dim>(scores, heads);
    add_values<Dim>(heads, scores, values);
    // The next copies go where these tiles are read.
    __syncwarp();
    stage = (stage + 1) % stages;
  }
  await_copies<0>();
}

template <unsigned Dim>
__device__ __forceinline__ void hand_over(warp_results<Dim>& results, running_heads<Dim>& heads) {
  const unsigned warp = threadIdx.x / warp_size;
  const unsigned lane = threadIdx.x % warp_size;
#pragma unroll
  for (unsigned head = 0; head < 2; ++head) {
    const unsigned column = lane % 4 * 2 + head;
#pragma unroll
    for (int lanes = 4; lanes < 32; lanes *= 2) {
      heads.totals[head] += __shfl_xor_sync(full_mask, heads.totals[head], lanes);
    }
    if (lane < 4) {
      results.maxima[warp][column] = heads.maxima[head];
      results.totals[warp][column] = heads.totals[head];
    }
#pragma unroll
    for (unsigned i = 0; i < Dim / 16; ++i) {
      results.sums[warp][column][i * 16 + lane / 4] = heads.out[i][head];
      results.sums[warp][column][i * 16 + lane / 4 + 8] = heads.out[i][head + 2];
    }
  }
}

// The weight of a partial sum: none where there was nothing to sum.
__device__ __forceinline__ float share_of(float maximum, float highest) {
  return maximum == minus_infinity ? 0.0F : exp2_fast(maximum - highest);
}

template <unsigned Dim, kv_format Format>
__global__ void __launch_bounds__(block_threads)
    decode_part_heads(const __grid_constant__ decode_attention_args args) {
  const decode_part part = args.parts[blockIdx.x];
  if (part.num_pages == 0) return;
  const std::uint32_t kv_head = blockIdx.y;
  const unsigned group = args.attention.heads.num_q_heads / args.attention.heads.num_kv_heads;
  running_heads<Dim> heads{};
  heads.maxima[0] = heads.maxima[1] = minus_infinity;
  walk_pages<Dim, Format>(heads, args.attention, part, kv_head);
  __syncthreads();
  auto& results = block_memory_as<warp_results<Dim>>();
  hand_over<Dim>(results, heads);
  __syncthreads();
  for (unsigned i = threadIdx.x; i < group * Dim; i += block_threads) {
    const unsigned h = i / Dim;
    float highest = minus_infinity;
    for (unsigned w = 0; w < num_warps; ++w) highest = fmaxf(highest, results.maxima[w][h]);
    float sum = 0;
    float total = 0;
    for (unsigned w = 0; w < num_warps; ++w) {
      const float share = share_of(results.maxima[w][h], highest);
      sum += share * results.sums[w][h][i % Dim];
      total += share * results.totals[w][h];
    }
    const std::uint32_t head = kv_head * group + h;
    const std::uint32_t num_heads = args.attention.heads.num_q_heads;
    if (part.num_parts == 1) {
      const std::size_t row = static_cast<std::size_t>(part.row) * num_heads + head;
      args.attention.out[row * Dim + i % Dim] = to_bf16(sum / total);
      continue;
    }
    const std::size_t place = static_cast<std::size_t>(blockIdx.x) * num_heads + head;
    args.partial_sums[place * Dim + i % Dim] = sum;
    if (i % Dim == 0) {
      args.partial_scale[place * 2] = highest;
      args.partial_scale[place * 2 + 1] = total;
    }
  }
}

// A warp adds the parts of one head of one row, in their order.
template <unsigned Dim>
__global__ void __launch_bounds__(block_threads)
    combine_parts(const __grid_constant__ decode_attention_args args) {
  const decode_row row = args.rows[blockIdx.x];
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t num_heads = args.attention.heads.num_q_heads;
  const std::uint32_t head = blockIdx.y * num_warps + threadIdx.x / warp_size;
  if (row.num_parts < 2 || head >= num_heads) return;
  const std::size_t first = static_cast<std::size_t>(row.first_part) * num_heads + head;
  float highest = minus_infinity;
  for (std::uint32_t p = 0; p < row.num_parts; ++p) {
    highest = fmaxf(highest, args.partial_scale[(first + p * num_heads) * 2]);
  }
  float total = 0;
  float sums[Dim / warp_size] = {};
  for (std::uint32_t p = 0; p < row.num_parts; ++p) {
    const std::size_t place = first + p * num_heads;
    const float share = share_of(args.partial_scale[place * 2], highest);
    total += share * args.partial_scale[place * 2 + 1];
#pragma unroll
    for (unsigned i = 0; i < Dim / warp_size; ++i) {
      sums[i] += share * args.partial_sums[place * Dim + i * warp_size + lane];
    }
  }
  bf16* out = args.attention.out + (static_cast<std::size_t>(row.row) * num_heads + head) * Dim;
#pragma unroll
  for (unsigned i = 0; i < Dim / warp_size; ++i) {
    out[i * warp_size + lane] = to_bf16(sums[i] / total);
  }
}

template <unsigned Dim, kv_format Format>
launch_error launch_decode(const decode_attention_args& args, cuda_stream stream) {
  using tiles = decode_tiles<Dim, Format>;
  static_assert(sizeof(warp_results<Dim>) <= tiles::block_bytes);
  const head_shape& heads = args.attention.heads;
  const launch_error error =
      launch(decode_part_heads<Dim, Format>, {args.num_parts, heads.num_kv_heads, 1},
             {block_threads, 1, 1}, tiles::block_bytes, stream, args);
  if (error != launch_error::none) return error;
  return launch(combine_parts<Dim>, {args.num_rows, divide_up(heads.num_q_heads, num_warps), 1},
                {block_threads, 1, 1}, 0, stream, args);
}

}  // namespace

launch_error decode_attention(const decode_attention_args& args, cuda_stream stream) {
  if (!can_attend(args.attention.heads)) return launch_error::invalid_value;
  if (args.num_parts == 0 || args.num_rows == 0) return launch_error::none;
  const bool is_wide = args.attention.heads.head_dim == 128;
  if (args.attention.pages.format == kv_format::e4m3) {
    return is_wide ? launch_decode<128, kv_format::e4m3>(args, stream)
                   : launch_decode<64, kv_format::e4m3>(args, stream);
  }
  return is_wide ? launch_decode<128, kv_format::bf16>(args, stream)
                 : launch_decode<64, kv_format::bf16>(args, stream);
}

}  // namespace troupe::cuda
