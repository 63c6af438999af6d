// A tile of a chunk's queries, as the kernels of prefill attention see it: queries of all heads of
// a KV head stand side by side, so that every copy of keys and values serves all of them and short
// chunks fill tiles, too. Sixteen queries are one warp's.
#pragma once
#include "cuda/kernels/kv_tile.cuh"

namespace troupe::cuda {

inline constexpr unsigned tile_queries = prefill_tile_queries;

// What a block of threads works on.
struct tile_view {
  prefill_tile tile;
  std::uint32_t kv_head;
  std::uint32_t group;
  std::uint32_t num_queries;   // of the tile
  std::uint32_t last_visible;  // position that its last query sees
};

// A lane's two rows of 16 queries, lane / 4 and that + 8.
template <unsigned Dim>
struct running_rows {
  float out[Dim / 8][4];
  float maxima[2];
  float totals[2];  // of this lane's keys
};

__device__ __forceinline__ tile_view view_tile(const prefill_attention_args& args) {
  tile_view view{args.tiles[blockIdx.x], blockIdx.y, 0, 0, 0};
  const head_shape& heads = args.attention.heads;
  view.group = heads.num_q_heads / heads.num_kv_heads;
  if (view.tile.num_rows == 0) return view;
  const std::uint32_t left = view.tile.num_rows * view.group - view.tile.first_query;
  view.num_queries = left < tile_queries ? left : tile_queries;
  view.last_visible =
      view.tile.first_position + (view.tile.first_query + view.num_queries - 1) / view.group;
  return view;
}

// The last position that a query of the tile sees.
__device__ __forceinline__ std::uint32_t position_of(const tile_view& view, std::uint32_t query) {
  return view.tile.first_position + (view.tile.first_query + query) / view.group;
}

// The first element of a query of the tile in rows of `stride`, q heads first.
template <unsigned Dim>
__device__ __forceinline__ std::size_t query_start(const tile_view& view, std::uint32_t query,
                                                   std::uint32_t stride) {
  const std::uint32_t packed = view.tile.first_query + query;
  const std::size_t row = view.tile.first_row + packed / view.group;
  return row * stride + (view.kv_head * view.group + packed % view.group) * Dim;
}

template <unsigned Dim>
__device__ __forceinline__ void store_rows(running_rows<Dim>& rows, const tile_view& view,
                                           const attention_args& args) {
  const unsigned lane = threadIdx.x % warp_size;
#pragma unroll
  for (unsigned row = 0; row < 2; ++row) {
    rows.totals[row] += __shfl_xor_sync(full_mask, rows.totals[row], 1);
    rows.totals[row] += __shfl_xor_sync(full_mask, rows.totals[row], 2);
    const std::uint32_t query = threadIdx.x / warp_size * 16 + lane / 4 + row * 8;
    if (query >= view.num_queries) continue;
    const float factor = 1.0F / rows.totals[row];
    auto* out = reinterpret_cast<std::uint32_t*>(
        args.out + query_start<Dim>(view, query, args.heads.num_q_heads * Dim));
#pragma unroll
    for (unsigned i = 0; i < Dim / 8; ++i) {
      out[i * 4 + lane % 4] =
          pack(rows.out[i][2 * row] * factor, rows.out[i][2 * row + 1] * factor);
    }
  }
}

}  // namespace troupe::cuda
