// prefill_attention for sm_90a, after FlashAttention-3: one warp has pages copied into a ring of
// blocks of 128 keys and of their values, two warpgroups of 64 queries each multiply. While the
// tensor cores work on a block's scores and on the values of the block before, the threads of the
// other warpgroup weigh theirs: they take turns.
//
// A query's sums run over blocks from key 0 on, whatever its tile begins or ends with.
#include "cuda/kernels/prefill_tile.cuh"
#include "cuda/kernels/warpgroup.cuh"

namespace troupe::cuda {
namespace {

constexpr unsigned tile_keys = 128;
constexpr unsigned block_pages = tile_keys / page_size_tokens;
constexpr unsigned num_stages = 2;
constexpr unsigned group_queries = 64;
constexpr unsigned num_groups = tile_queries / group_queries;
constexpr unsigned num_multiplying_warps = num_groups * warpgroup_size / warp_size;
constexpr unsigned block_threads = (num_groups + 1) * warpgroup_size;
// Of 65536 by 384 threads each has 168 at first: what the copying warps lend is what others borrow.
constexpr unsigned copying_registers = 24;
constexpr unsigned multiplying_registers = 240;

struct wgmma_args {
  prefill_attention_args prefill;
  tensor_map keys;  // [num_pages * num_kv_heads * page_size_tokens, head_dim]
  tensor_map values;
};

// In shared memory: queries, two blocks of keys, two of values, in panels of 64 columns; barriers.
template <unsigned Dim>
struct wgmma_tiles {
  static constexpr unsigned panels = Dim / panel_columns;
  static constexpr std::uint32_t query_panel_bytes = tile_queries * panel_row_bytes;
  static constexpr std::uint32_t panel_bytes = tile_keys * panel_row_bytes;
  static constexpr std::uint32_t tile_bytes = panels * panel_bytes;
  static constexpr std::uint32_t page_bytes = page_size_tokens * Dim * sizeof(bf16);
  static constexpr std::uint32_t keys = panels * query_panel_bytes;
  static constexpr std::uint32_t values = keys + num_stages * tile_bytes;
  static constexpr std::uint32_t barriers = values + num_stages * tile_bytes;
  static constexpr std::uint32_t block_bytes = barriers + 4 * num_stages * sizeof(std::uint64_t);
};

// Blocks of keys, or of values, on their way through shared memory. Block b has the place of block
// b - num_stages as soon as all warps that multiply have said that they are done with that.
template <unsigned Dim>
struct block_ring {
  std::uint32_t tiles;
  std::uint32_t barriers;  // full[num_stages], then empty[num_stages]

  __device__ __forceinline__ std::uint32_t tile(std::uint32_t block) const {
    return tiles + block % num_stages * wgmma_tiles<Dim>::tile_bytes;
  }
  __device__ __forceinline__ std::uint32_t full(std::uint32_t block) const {
    return barriers + block % num_stages * 8;
  }
  __device__ __forceinline__ std::uint32_t empty(std::uint32_t block) const {
    return full(block) + num_stages * 8;
  }
  __device__ __forceinline__ static std::uint32_t parity(std::uint32_t block) {
    return block / num_stages % 2;
  }
  __device__ __forceinline__ void prepare() const {
    for (std::uint32_t stage = 0; stage < num_stages; ++stage) {
      make_barrier(full(stage), 1);
      make_barrier(empty(stage), num_multiplying_warps);
    }
  }
  __device__ __forceinline__ void await(std::uint32_t block) const {
    await_phase(full(block), parity(block));
  }
  __device__ __forceinline__ void release(std::uint32_t block) const {
    if (threadIdx.x % warp_size == 0) arrive_at(empty(block));
  }
};

// Pages of a block into the ring, by one warp. What lies behind the last page stays as it was.
template <unsigned Dim>
__device__ __forceinline__ void copy_block(const block_ring<Dim>& ring, const tensor_map& map,
                                           std::uint32_t block, const tile_view& view,
                                           const attention_args& args) {
  using tiles = wgmma_tiles<Dim>;
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t first_page = block * block_pages;
  const std::uint32_t left = view.last_visible / page_size_tokens + 1 - first_page;
  const std::uint32_t num_pages = left < block_pages ? left : block_pages;
  const std::uint32_t mine = lane < num_pages ? lane : 0;
  const std::uint32_t page = args.page_table[view.tile.first_page_idx + first_page + mine];
  await_phase(ring.empty(block), block_ring<Dim>::parity(block) ^ 1U);
  if (lane == 0) arrive_and_expect(ring.full(block), num_pages * tiles::page_bytes);
  for (std::uint32_t i = 0; i < num_pages; ++i) {
    const std::uint32_t from = __shfl_sync(full_mask, page, static_cast<int>(i));
    if (lane != 0) continue;
    const std::uint32_t row = (from * args.heads.num_kv_heads + view.kv_head) * page_size_tokens;
    const std::uint32_t place = ring.tile(block) + i * page_size_tokens * panel_row_bytes;
    for (unsigned panel = 0; panel < tiles::panels; ++panel) {
      copy_box(place + panel * tiles::panel_bytes, map, panel * panel_columns, row,
               ring.full(block));
    }
  }
}

// In the order in which blocks are wanted: a block's values after the next one's keys.
template <unsigned Dim>
__device__ __forceinline__ void copy_blocks(const block_ring<Dim>& keys,
                                            const block_ring<Dim>& values, std::uint32_t num_blocks,
                                            const tile_view& view, const wgmma_args& args) {
  const attention_args& attention = args.prefill.attention;
  copy_block(keys, args.keys, 0, view, attention);
  for (std::uint32_t block = 0; block < num_blocks; ++block) {
    if (block + 1 < num_blocks) copy_block(keys, args.keys, block + 1, view, attention);
    copy_block(values, args.values, block, view, attention);
  }
}

// What a warpgroup that multiplies is.
struct group_view {
  unsigned group;  // 0 or 1
  unsigned thread;
  __device__ __forceinline__ unsigned first_query() const { return group * group_queries; }
  __device__ __forceinline__ unsigned turn() const { return 1 + group; }
  __device__ __forceinline__ unsigned others_turn() const { return 2 - group; }
  __device__ __forceinline__ void meet() const {
    await_others<warpgroup_size>(1 + num_groups + group);
  }
};

template <unsigned Dim>
__device__ __forceinline__ void load_queries(std::uint32_t target, const group_view& mine,
                                             const tile_view& view, const attention_args& args) {
  constexpr unsigned chunks = Dim / 8;
  for (unsigned at = mine.thread; at < group_queries * chunks; at += warpgroup_size) {
    const unsigned query = mine.first_query() + at / chunks;
    const unsigned chunk = at % chunks;
    // Queries that there are not: the last one again, and nobody looks at the result.
    const unsigned real = query < view.num_queries ? query : view.num_queries - 1;
    copy_async(
        panel_place(target + chunk / 8 * wgmma_tiles<Dim>::query_panel_bytes, query, chunk % 8),
        args.qkv + query_start<Dim>(view, real, args.qkv_stride) + chunk * 8);
  }
  commit_copies();
  await_copies<0>();
  show_to_engines();
  mine.meet();
}

template <unsigned Dim>
__device__ __forceinline__ void score_keys(float (&scores)[tile_keys / 8][4], std::uint32_t keys,
                                           std::uint32_t queries, const group_view& mine) {
  using tiles = wgmma_tiles<Dim>;
  constexpr unsigned panel_steps = panel_columns / 16;
  const std::uint32_t rows = queries + mine.first_query() * panel_row_bytes;
  begin_products();
#pragma unroll
  for (unsigned k = 0; k < Dim / 16; ++k) {
    const std::uint32_t column = k % panel_steps * 32;
    const std::uint32_t panel = k / panel_steps;
    multiply_matrices<tile_keys>(
        scores, describe_matrix(rows + panel * tiles::query_panel_bytes + column, 0),
        describe_matrix(keys + panel * tiles::panel_bytes + column, 0), k > 0);
  }
  commit_products();
}

template <unsigned Dim>
__device__ __forceinline__ void add_values(running_rows<Dim>& rows,
                                           std::uint32_t (&weights)[tile_keys / 16][4],
                                           std::uint32_t values) {
  settle_all(weights);
  settle_all(rows.out);
  begin_products();
#pragma unroll
  for (unsigned k = 0; k < tile_keys / 16; ++k) {
    multiply_fragments<Dim>(
        rows.out, weights[k],
        describe_matrix(values + k * 2 * pattern_bytes, wgmma_tiles<Dim>::panel_bytes));
  }
  commit_products();
}

// Minus infinity for keys that a query does not see: they may be anything.
__device__ __forceinline__ void mask_scores(float (&scores)[tile_keys / 8][4],
                                            std::uint32_t first_key,
                                            const std::uint32_t (&positions)[2]) {
  const unsigned column = threadIdx.x % 4 * 2;
#pragma unroll
  for (unsigned n = 0; n < tile_keys / 8; ++n) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint32_t key = first_key + n * 8 + column + i % 2;
      scores[n][i] = key <= positions[i / 2] ? scores[n][i] : minus_infinity;
    }
  }
}

// Scores become weights; `shrink` is what the sums so far are to be multiplied by.
template <unsigned Dim>
__device__ __forceinline__ void weigh_keys(float (&scores)[tile_keys / 8][4],
                                           running_rows<Dim>& rows, float (&shrink)[2]) {
  const float scale = log2_e / sqrtf(static_cast<float>(Dim));
#pragma unroll
  for (unsigned row = 0; row < 2; ++row) {
    float highest = rows.maxima[row];
#pragma unroll
    for (auto& of_keys : scores) {
      highest = fmaxf(highest, fmaxf(of_keys[2 * row], of_keys[2 * row + 1]));
    }
    highest = fmaxf(highest, __shfl_xor_sync(full_mask, highest, 1));
    highest = fmaxf(highest, __shfl_xor_sync(full_mask, highest, 2));
    shrink[row] = exp2_fast((rows.maxima[row] - highest) * scale);
    rows.maxima[row] = highest;
    const float offset = -highest * scale;
    float total = 0;
#pragma unroll
    for (auto& of_keys : scores) {
      of_keys[2 * row] = exp2_fast(fused_multiply_add(of_keys[2 * row], scale, offset));
      of_keys[2 * row + 1] = exp2_fast(fused_multiply_add(of_keys[2 * row + 1], scale, offset));
      total += of_keys[2 * row] + of_keys[2 * row + 1];
    }
    rows.totals[row] = rows.totals[row] * shrink[row] + total;
  }
}

__device__ __forceinline__ void pack_weights(std::uint32_t (&weights)[tile_keys / 16][4],
                                             const float (&scores)[tile_keys / 8][4]) {
#pragma unroll
  for (unsigned n = 0; n < tile_keys / 16; ++n) {
    weights[n][0] = pack(scores[2 * n][0], scores[2 * n][1]);
    weights[n][1] = pack(scores[2 * n][2], scores[2 * n][3]);
    weights[n][2] = pack(scores[2 * n + 1][0], scores[2 * n + 1][1]);
    weights[n][3] = pack(scores[2 * n + 1][2], scores[2 * n + 1][3]);
  }
}

template <unsigned Dim>
__device__ __forceinline__ void shrink_sums(running_rows<Dim>& rows, const float (&shrink)[2]) {
#pragma unroll
  for (auto& of_features : rows.out) {
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) of_features[i] *= shrink[i / 2];
  }
}

// Values behind the last visible one have weight 0, but may be no numbers. Both warpgroups write
// the same zeros.
template <unsigned Dim>
__device__ __forceinline__ void clear_values(std::uint32_t values, std::uint32_t num_keys,
                                             const group_view& mine) {
  using tiles = wgmma_tiles<Dim>;
  std::byte* start = block_memory() + (values - shared_address(block_memory()));
  constexpr unsigned chunks = panel_row_bytes / 16;
  for (unsigned at = num_keys * chunks + mine.thread; at < tile_keys * chunks;
       at += warpgroup_size) {
    for (unsigned panel = 0; panel < tiles::panels; ++panel) {
      store_16(start + panel * tiles::panel_bytes + at * 16, vec16{});
    }
  }
  show_to_engines();
  mine.meet();
}

template <unsigned Dim>
__device__ __forceinline__ void attend(const block_ring<Dim>& keys, const block_ring<Dim>& values,
                                       std::uint32_t num_blocks, const group_view& mine,
                                       const tile_view& view, const attention_args& args) {
  const std::uint32_t queries = shared_address(block_memory());
  load_queries<Dim>(queries, mine, view, args);
  const unsigned first_query = threadIdx.x / warp_size * 16;
  const unsigned lane = threadIdx.x % warp_size;
  const std::uint32_t positions[2] = {position_of(view, first_query + lane / 4),
                                      position_of(view, first_query + lane / 4 + 8)};
  const std::uint32_t first_position = position_of(view, first_query);
  running_rows<Dim> rows{};
  rows.maxima[0] = rows.maxima[1] = minus_infinity;
  float scores[tile_keys / 8][4];
  float shrink[2];
  std::uint32_t weights[tile_keys / 16][4];
  const auto weigh_block = [&](std::uint32_t block) {
    if (block * tile_keys + tile_keys - 1 > first_position) {
      mask_scores(scores, block * tile_keys, positions);
    }
    weigh_keys<Dim>(scores, rows, shrink);
  };

  if (mine.group == 1 && num_blocks > 1) tell_others<2 * warpgroup_size>(mine.others_turn());
  keys.await(0);
  score_keys<Dim>(scores, keys.tile(0), queries, mine);
  await_products<0>();
  keys.release(0);
  weigh_block(0);
  pack_weights(weights, scores);
  for (std::uint32_t block = 1; block < num_blocks; ++block) {
    keys.await(block);
    await_others<2 * warpgroup_size>(mine.turn());
    score_keys<Dim>(scores, keys.tile(block), queries, mine);
    values.await(block - 1);
    add_values<Dim>(rows, weights, values.tile(block - 1));
    if (mine.group == 0 || block + 1 < num_blocks) {
      tell_others<2 * warpgroup_size>(mine.others_turn());
    }
    await_products<1>();
    keys.release(block);
    weigh_block(block);
    await_products<0>();
    values.release(block - 1);
    pack_weights(weights, scores);
    shrink_sums<Dim>(rows, shrink);
  }
  const std::uint32_t last = num_blocks - 1;
  values.await(last);
  clear_values<Dim>(values.tile(last), view.last_visible + 1 - last * tile_keys, mine);
  add_values<Dim>(rows, weights, values.tile(last));
  await_products<0>();
  store_rows<Dim>(rows, view, args);
}

template <unsigned Dim>
__global__ void __launch_bounds__(block_threads, 1)
    wgmma_tile_heads(const __grid_constant__ wgmma_args args) {
  using tiles = wgmma_tiles<Dim>;
  const tile_view view = view_tile(args.prefill);
  if (view.num_queries == 0) return;
  const std::uint32_t base = shared_address(block_memory());
  const std::uint32_t barriers = base + tiles::barriers;
  const block_ring<Dim> keys{base + tiles::keys, barriers};
  const block_ring<Dim> values{base + tiles::values, barriers + 2 * num_stages * 8};
  const std::uint32_t num_blocks = view.last_visible / tile_keys + 1;
  const unsigned group = warpgroup_index();
  const bool is_copying = group == num_groups;
  if (threadIdx.x == num_groups * warpgroup_size) {
    prefetch_map(args.keys);
    prefetch_map(args.values);
    keys.prepare();
    values.prepare();
  }
  if (is_copying) show_to_engines();
  __syncthreads();
  if (is_copying) {
    lend_registers<copying_registers>();
    if (threadIdx.x < num_groups * warpgroup_size + warp_size) {
      copy_blocks(keys, values, num_blocks, view, args);
    }
  } else {
    borrow_registers<multiplying_registers>();
    attend(keys, values, num_blocks, {group, threadIdx.x % warpgroup_size}, view,
           args.prefill.attention);
  }
}

template <unsigned Dim>
launch_error launch_tiles(const prefill_attention_args& prefill, cuda_stream stream) {
  const attention_args& attention = prefill.attention;
  const std::uint64_t num_rows =
      std::uint64_t{attention.pages.num_pages} * attention.heads.num_kv_heads * page_size_tokens;
  wgmma_args args{prefill, {}, {}};
  launch_error error =
      describe_rows(args.keys, attention.pages.keys, Dim, num_rows, page_size_tokens);
  if (error != launch_error::none) return error;
  error = describe_rows(args.values, attention.pages.values, Dim, num_rows, page_size_tokens);
  if (error != launch_error::none) return error;
  return launch(wgmma_tile_heads<Dim>, {prefill.num_tiles, attention.heads.num_kv_heads, 1},
                {block_threads, 1, 1}, wgmma_tiles<Dim>::block_bytes, stream, args);
}

}  // namespace

launch_error wgmma_prefill_attention(const prefill_attention_args& args, cuda_stream stream) {
  const attention_args& attention = args.attention;
  if (!can_attend(attention.heads)) return launch_error::invalid_value;
  if (attention.pages.format != kv_format::bf16) return launch_error::invalid_value;
  if (args.num_tiles == 0) return launch_error::none;
  return attention.heads.head_dim == 128 ? launch_tiles<128>(args, stream)
                                         : launch_tiles<64>(args, stream);
}

}  // namespace troupe::cuda
