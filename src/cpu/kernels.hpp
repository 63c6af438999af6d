// The CPU's arithmetic on plain memory, for one thread unless a pool is given: SIMD by Highway,
// chosen at run time for the machine (AVX-512, AVX2, SSE2). reference.hpp states each as a formula.
//
// A vector lane is an output element (or, in a reduction, one of 16 partial sums), never a part of
// the reduced dimension. So every element is one chain of multiply-adds in the order of the reduced
// index: its bits depend neither on the vector's width nor on what is computed beside it. Only
// machines without fused multiply-add (no AVX2) round differently from the others.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/packed_matrix.hpp"

namespace troupe::kernels {

// How results are kept for the linear layer that reads them next.
enum class rounding : std::uint8_t { none, to_bfloat16 };

struct linear_args {
  const float* x = nullptr;  // [num_rows, x_stride]
  std::size_t x_stride = 0;
  std::uint32_t num_rows = 0;
  const packed_matrix* matrix = nullptr;
  const float* bias = nullptr;  // [out_features] or null
  float* out = nullptr;         // [num_rows, out_stride]
  std::size_t out_stride = 0;
};
// Output features of tiles first_tile .. end_tile - 1 for rows first_row .. end_row - 1.
void linear(const linear_args& args, std::uint32_t first_row, std::uint32_t end_row,
            std::uint32_t first_tile, std::uint32_t end_tile);
// All of it, cut into blocks that fit a core's cache and shared out among the pool's threads.
void linear(const linear_args& args, thread_pool& pool);

struct norm_args {
  const float* addend = nullptr;  // [width] or null
  float* residual = nullptr;      // [width], in and out
  const float* weight = nullptr;  // [width]
  std::uint32_t width = 0;
  float eps = 0;
  rounding round = rounding::none;
};
// One row; out[width].
void add_rms_norm(const norm_args& args, float* out);

// One row: out[i] = gate[i] / (1 + exp(-gate[i])) * up[i].
void silu_mul(const float* gate, const float* up, std::uint32_t width, rounding round, float* out);

// One row in place.
void round_to_bfloat16(float* values, std::size_t count);

// The keys and values of one KV head, page by page.
//   float32   K [head_dim][16 tokens], V [16 tokens][head_dim]
//   bfloat16  the same with two neighbours along head_dim (K) or along the tokens (V) in a word
struct attention_args {
  std::uint32_t num_queries = 0;  // <= max_queries, of one sequence
  std::uint32_t head_dim = 0;     // a multiple of 16, <= max_head_dim
  float scale = 1;
  dtype type = dtype::float32;
  const std::uint32_t* keys = nullptr;        // of page 0, this layer and head
  const std::uint32_t* values = nullptr;      // of page 0, this layer and head
  std::size_t page_stride = 0;                // 32-bit words from page to page
  const std::uint32_t* page_table = nullptr;  // covers positions 0 .. the last query's
};
inline constexpr std::uint32_t max_queries = 64;
inline constexpr std::uint32_t max_head_dim = 256;
// Keys that are weighed at once: blocks start at multiples of it, whatever the query's position.
inline constexpr std::uint32_t attention_block = 64;

struct attention_scratch {
  const float* queries[max_queries];     // in: [head_dim] each
  std::uint32_t positions[max_queries];  // in: ascending
  alignas(64) float scores[max_queries][attention_block];
  alignas(64) float out[max_queries][max_head_dim];  // the results, unrounded
  float highest[max_queries];
  float sum[max_queries];
};
void attention(const attention_args& args, attention_scratch& scratch);

// Index of the 16-bit or 32-bit element of (dimension, token) within a page of one head.
inline std::size_t key_offset(dtype type, std::uint32_t dim, std::uint32_t token) {
  if (type == dtype::float32) return std::size_t{dim} * page_size_tokens + token;
  return (std::size_t{dim} / 2 * page_size_tokens + token) * 2 + dim % 2;
}
inline std::size_t value_offset(dtype type, std::uint32_t head_dim, std::uint32_t dim,
                                std::uint32_t token) {
  if (type == dtype::float32) return std::size_t{token} * head_dim + dim;
  return (std::size_t{token} / 2 * head_dim + dim) * 2 + token % 2;
}

}  // namespace troupe::kernels
