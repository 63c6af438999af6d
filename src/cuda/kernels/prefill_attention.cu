// Many query rows of a chunk against their pages: softmax(Q K^T) V without ever storing the
// scores, after FlashAttention-2. Keys and values come in blocks of 64, the next one on its way
// while this one is used.
#include "cuda/kernels/prefill_tile.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned tile_keys = 64;
constexpr unsigned num_warps = tile_queries / 16;
constexpr unsigned block_threads = num_warps * warp_size;

// Queries, two blocks of keys, two blocks of values; where those are bytes, behind them one block
// of each that was made of them.
template <unsigned Dim, kv_format Format>
struct prefill_tiles {
  static constexpr bool has_bytes = Format == kv_format::e4m3;
  static constexpr std::uint32_t query_bytes = tile_queries * Dim * 2;
  static constexpr std::uint32_t key_bytes = tile_keys * Dim * 2;
  static constexpr std::uint32_t copied_bytes =
      tile_keys / page_size_tokens * head_page_bytes(Format, Dim);
  static constexpr std::uint32_t block_bytes =
      query_bytes + 4 * copied_bytes + (has_bytes ? 2 * key_bytes : 0);
};

template <unsigned Dim>
__device__ __forceinline__ void start_queries(std::uint32_t target, const tile_view& view,
                                              const attention_args& args) {
  constexpr unsigned chunks = Dim / 8;
  for (unsigned at = threadIdx.x; at < tile_queries * chunks; at += block_threads) {
    const unsigned query = at / chunks;
    // Queries that there are not: the last one again, and nobody looks at the result.
    const unsigned real = query < view.num_queries ? query : view.num_queries - 1;
    copy_async(tile_place<Dim>(target, query, at % chunks),
               args.qkv + query_start<Dim>(view, real, args.qkv_stride) + at % chunks * 8);
  }
}

// Positions past the last visible one get its key and value, which are finite; their weight is 0.
__device__ __forceinline__ std::uint32_t seen_key(std::uint32_t wanted, const tile_view& view) {
  return wanted < view.last_visible ? wanted : view.last_visible;
}

template <unsigned Dim, kv_format Format>
__device__ __forceinline__ void start_keys(std::uint32_t keys, std::uint32_t values,
                                           std::uint32_t first_key, const tile_view& view,
                                           const attention_args& args) {
  using tiles = prefill_tiles<Dim, Format>;
  constexpr unsigned chunks = tiles::has_bytes ? Dim / 16 : Dim / 8;  // of a row
  const std::uint32_t* table = args.page_table + view.tile.first_page_idx;
  const auto page_of = [&](std::uint32_t key) {
    return page_start<Dim, Format>(table[key / page_size_tokens], view.kv_head,
                                   args.heads.num_kv_heads);
  };
  for (unsigned at = threadIdx.x; at < tile_keys * chunks; at += block_threads) {
    const std::uint32_t key = seen_key(first_key + at / chunks, view);
    const std::size_t from = page_of(key) + (key % page_size_tokens * chunks + at % chunks) * 16;
    const std::uint32_t place =
        tiles::has_bytes ? at * 16 : tile_place<Dim>(0, at / chunks, at % chunks);
    copy_async(keys + place, args.pages.keys + from);
    copy_async(values + place, args.pages.values + from);
  }
  if constexpr (tiles::has_bytes) {
    // The rows' exponents, sixteen in a page.
    const std::uint32_t page = threadIdx.x;
    if (page >= tile_keys / page_size_tokens) return;
    const std::uint32_t key = seen_key(first_key + page * page_size_tokens, view);
    const std::size_t from = page_of(key) + page_size_tokens * Dim;
    const std::uint32_t place = tile_keys * Dim + page * page_size_tokens;
    copy_async(keys + place, args.pages.keys + from);
    copy_async(values + place, args.pages.values + from);
  }
}

// A block of bytes, keys or values, as bfloat16.
template <unsigned Dim>
__device__ __forceinline__ void expand_keys(std::uint32_t tile, std::uint32_t bytes,
                                            std::uint32_t first_key, const tile_view& view) {
  constexpr unsigned chunks = Dim / 16;
  const std::byte* rows = block_memory() + (bytes - shared_address(block_memory()));
  for (unsigned at = threadIdx.x; at < tile_keys * chunks; at += block_threads) {
    const std::uint32_t key = seen_key(first_key + at / chunks, view);
    expand_into<Dim>(tile, at / chunks, at % chunks, rows + at * 16,
                     rows[tile_keys * Dim + (key - first_key)]);
  }
}

template <unsigned Dim>
__device__ __forceinline__ void score_keys(float (&scores)[tile_keys / 8][4], std::uint32_t keys,
                                           const std::uint32_t (&queries)[Dim / 16][4]) {
  const unsigned lane = threadIdx.x % warp_size;
#pragma unroll
  for (auto& of_keys : scores) {
#pragma unroll
    for (float& s : of_keys) s = 0;
  }
#pragma unroll
  for (unsigned k = 0; k < Dim / 16; ++k) {
#pragma unroll
    for (unsigned n = 0; n < tile_keys / 16; ++n) {
      std::uint32_t columns[4];
      load_matrices(columns,
                    tile_place<Dim>(keys, n * 16 + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
      multiply_add(scores[2 * n], queries[k], columns[0], columns[1]);
      multiply_add(scores[2 * n + 1], queries[k], columns[2], columns[3]);
    }
  }
}

// Scores become log2 of weights, minus infinity for keys that a query does not see.
__device__ __forceinline__ void mask_scores(float (&scores)[tile_keys / 8][4],
                                            std::uint32_t first_key,
                                            const std::uint32_t (&positions)[2], float scale) {
  const unsigned column = threadIdx.x % 4 * 2;
#pragma unroll
  for (unsigned n = 0; n < tile_keys / 8; ++n) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint32_t key = first_key + n * 8 + column + i % 2;
      scores[n][i] = key <= positions[i / 2] ? scores[n][i] * scale : minus_infinity;
    }
  }
}

template <unsigned Dim>
__device__ __forceinline__ void weigh_keys(float (&scores)[tile_keys / 8][4],
                                           running_rows<Dim>& rows) {
#pragma unroll
  for (unsigned row = 0; row < 2; ++row) {
    float highest = rows.maxima[row];
#pragma unroll
    for (auto& of_keys : scores) {
      highest = fmaxf(highest, fmaxf(of_keys[2 * row], of_keys[2 * row + 1]));
    }
    highest = fmaxf(highest, __shfl_xor_sync(full_mask, highest, 1));
    highest = fmaxf(highest, __shfl_xor_sync(full_mask, highest, 2));
    const float shrink = exp2_fast(rows.maxima[row] - highest);
    rows.maxima[row] = highest;
    float total = 0;
#pragma unroll
    for (auto& of_keys : scores) {
      of_keys[2 * row] = exp2_fast(of_keys[2 * row] - highest);
      of_keys[2 * row + 1] = exp2_fast(of_keys[2 * row + 1] - highest);
      total += of_keys[2 * row] + of_keys[2 * row + 1];
    }
    rows.totals[row] = rows.totals[row] * shrink + total;
#pragma unroll
    for (auto& of_features : rows.out) {
      of_features[2 * row] *= shrink;
      of_features[2 * row + 1] *= shrink;
    }
  }
}

template <unsigned Dim>
__device__ __forceinline__ void add_values(running_rows<Dim>& rows,
                                           const float (&weights)[tile_keys / 8][4],
                                           std::uint32_t values) {
  const unsigned lane = threadIdx.x % warp_size;
#pragma unroll
  for (unsigned n = 0; n < tile_keys / 16; ++n) {
    const std::uint32_t left[4] = {pack(weights[2 * n][0], weights[2 * n][1]),
                                   pack(weights[2 * n][2], weights[2 * n][3]),
                                   pack(weights[2 * n + 1][0], weights[2 * n + 1][1]),
                                   pack(weights[2 * n + 1][2], weights[2 * n + 1][3])};
#pragma unroll
    for (unsigned i = 0; i < Dim / 16; ++i) {
      std::uint32_t columns[4];
      load_transposed(columns, tile_place<Dim>(values, n * 16 + lane % 16, i * 2 + lane / 16));
      multiply_add(rows.out[2 * i], left, columns[0], columns[1]);
      multiply_add(rows.out[2 * i + 1], left, columns[2], columns[3]);
    }
  }
}

template <unsigned Dim, kv_format Format>
__global__ void __launch_bounds__(block_threads, 1)
    prefill_tile_heads(const __grid_constant__ prefill_attention_args args) {
  using tiles = prefill_tiles<Dim, Format>;
  const tile_view view = view_tile(args);
  if (view.num_queries == 0) return;
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t query_tile = shared_address(block_memory());
  const std::uint32_t key_tiles = query_tile + tiles::query_bytes;
  const std::uint32_t value_tiles = key_tiles + 2 * tiles::copied_bytes;
  const std::uint32_t num_blocks = view.last_visible / tile_keys + 1;
  const auto start_block = [&](std::uint32_t block) {
    const std::uint32_t side = block % 2 * tiles::copied_bytes;
    if (block < num_blocks) {
      start_keys<Dim, Format>(key_tiles + side, value_tiles + side, block * tile_keys, view,
                              args.attention);
    }
    commit_copies();
  };
  start_queries<Dim>(query_tile, view, args.attention);
  start_block(0);

  const unsigned first_query = threadIdx.x / warp_size * 16;
  std::uint32_t positions[2];
#pragma unroll
  for (unsigned row = 0; row < 2; ++row) {
    positions[row] = position_of(view, first_query + lane / 4 + row * 8);
  }
  const float scale = log2_e / sqrtf(static_cast<float>(Dim));
  running_rows<Dim> rows{};
  rows.maxima[0] = rows.maxima[1] = minus_infinity;
  std::uint32_t queries[Dim / 16][4];
  for (std::uint32_t block = 0; block < num_blocks; ++block) {
    start_block(block + 1);
    await_copies<1>();
    __syncthreads();
    if (block == 0) {
#pragma unroll
      for (unsigned k = 0; k < Dim / 16; ++k) {
        load_matrices(queries[k],
                      tile_place<Dim>(query_tile, first_query + lane % 16, k * 2 + lane / 16));
      }
    }
    std::uint32_t keys = key_tiles + block % 2 * tiles::copied_bytes;
    std::uint32_t values = value_tiles + block % 2 * tiles::copied_bytes;
    if constexpr (tiles::has_bytes) {
      const std::uint32_t expanded = value_tiles + 2 * tiles::copied_bytes;
      expand_keys<Dim>(expanded, keys, block * tile_keys, view);
      expand_keys<Dim>(expanded + tiles::key_bytes, values, block * tile_keys, view);
      __syncthreads();
      keys = expanded;
      values = expanded + tiles::key_bytes;
    }
    float scores[tile_keys / 8][4];
    score_keys<Dim>(scores, keys, queries);
    mask_scores(scores, block * tile_keys, positions, scale);
    weigh_keys<Dim>(scores, rows);
    add_values<Dim>(rows, scores, values);
    // The next copies go where these tiles are read.
    __syncthreads();
  }
  store_rows<Dim>(rows, view, args.attention);
}

template <unsigned Dim, kv_format Format>
launch_error launch_prefill(const prefill_attention_args& args, cuda_stream stream) {
  return launch(prefill_tile_heads<Dim, Format>,
                {args.num_tiles, args.attention.heads.num_kv_heads, 1}, {block_threads, 1, 1},
                prefill_tiles<Dim, Format>::block_bytes, stream, args);
}

}  // namespace

launch_error prefill_attention(const prefill_attention_args& args, cuda_stream stream) {
  if (!can_attend(args.attention.heads)) return launch_error::invalid_value;
  if (args.num_tiles == 0) return launch_error::none;
  const bool is_wide = args.attention.heads.head_dim == 128;
  if (args.attention.pages.format == kv_format::e4m3) {
    return is_wide ? launch_prefill<128, kv_format::e4m3>(args, stream)
                   : launch_prefill<64, kv_format::e4m3>(args, stream);
  }
  return is_wide ? launch_prefill<128, kv_format::bf16>(args, stream)
                 : launch_prefill<64, kv_format::bf16>(args, stream);
}

}  // namespace troupe::cuda
