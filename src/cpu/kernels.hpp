// The CPU's arithmetic on plain memory, for one thread unless a pool is given: SIMD by Highway,
// chosen at run time for the machine (AVX-512, AVX2, else what every machine has). reference.hpp
// states each as a formula.
//
// A vector lane is an output element (or, in a reduction, one of 16 partial sums), never a part of
// the reduced dimension. So every element is one chain of multiply-adds in the order of the reduced
// index: its bits depend neither on the vector's width nor on what is computed beside it. In
// bfloat16 a step is a pair, the odd element first (pair_instruction.hpp). Only machines without
// fused multiply-add (no AVX2) round differently from the others.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/kv_type.hpp"
#include "cpu/packed_matrix.hpp"

namespace troupe::kernels {

// Operands are rows that products are made of: what a linear layer reads, and queries. They have
// the type of the weights: 32-bit words of one float, or of two bfloat16 that are neighbours. An
// odd width's last word has a zero in its upper half.
constexpr std::uint32_t elements_per_word(dtype type) { return type == dtype::float32 ? 1 : 2; }

// Words from row to row, within the `width` words that a row of floats would take. An odd number of
// cache lines where there is room: rows that are read side by side then share no set of a cache.
constexpr std::size_t operand_stride(std::uint32_t width, dtype type) {
  if (type == dtype::float32) return width;
  const std::size_t words = (std::size_t{width} + 1) / 2;
  const std::size_t padded = (((words + 15) / 16) | 1U) * 16;
  return padded <= width ? padded : words;
}

// For weights of integers a row is quantised in groups of 128: four neighbours from -127 to 127 in
// a word, zeros up to a whole group; then the scale of each group as a float; then the negative sum
// of each group's integers in the lower half of a word.
constexpr std::size_t quantized_stride(std::uint32_t width) {
  const std::size_t words = std::size_t{num_groups(width)} * (group_words + 2);
  return (((words + 15) / 16) | 1U) * 16;
}
// One row of out[quantized_stride(width)].
void quantize_operand(const float* values, std::uint32_t width, std::uint32_t* out);

// Of each tile of a layer without bias the highest output, found while all are at hand.
struct tile_maxima {
  float* out = nullptr;            // [num_rows, maxima_stride(out_features)]; null: none wanted
  std::uint32_t num_features = 0;  // outputs from here on count as lowest, and so does NaN
};
// From row to row: whole cache lines, each written by one thread.
constexpr std::uint32_t maxima_per_line = 16;
constexpr std::size_t maxima_stride(std::uint32_t out_features) {
  constexpr std::uint32_t line_features = maxima_per_line * tile_width;
  return (std::size_t{out_features} + line_features - 1) / line_features * maxima_per_line;
}

struct linear_args {
  const std::uint32_t* x = nullptr;  // operands [num_rows, x_stride], of the matrix's type
  std::size_t x_stride = 0;
  std::uint32_t num_rows = 0;
  const packed_matrix* matrix = nullptr;
  const float* bias = nullptr;  // [out_features] or null
  float* out = nullptr;         // [num_rows, out_stride]
  std::size_t out_stride = 0;
  tile_maxima maxima;
  // Past the caches, where there is no bias: most of `out` is not read soon. Its rows are aligned.
  bool is_streamed = false;
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
};
// One row, as an operand of that type.
void add_rms_norm(const norm_args& args, dtype type, std::uint32_t* out);

// One row: gate[i] / (1 + exp(-gate[i])) * up[i] as an operand.
void silu_mul(const float* gate, const float* up, std::uint32_t width, dtype type,
              std::uint32_t* out);

// One row as an operand; it may take the place of its values.
void make_operand(const float* values, std::uint32_t width, dtype type, std::uint32_t* out);

// Values as bytes, -127 .. 127, times a scale, which is returned: the largest one's 127th part,
// rounded up. Where a value is not finite, the scale is not either.
bfloat16 quantize_bytes(const float* values, std::uint32_t count, std::int8_t* out);
// One query for int8 keys; it may take the place of its values: four neighbours in a word; then the
// scale of each group as a float; then of each group -128 times the sum of its bytes.
void quantize_query(const float* values, std::uint32_t head_dim, std::uint32_t* out);

// The keys and values of one KV head, page by page.
//   float32   K [head_dim][16 tokens], V [16 tokens][head_dim]
//   bfloat16  the same with two neighbours along head_dim (K) or along the tokens (V) in a word
//   int8      K four neighbours along head_dim in a word, each plus 128; then the scales, bfloat16
//             [groups][16 tokens]. V bytes [8][head_dim][2 tokens]; then the scales, [16 tokens]
struct attention_args {
  std::uint32_t num_queries = 0;  // <= max_queries, of one sequence
  std::uint32_t head_dim = 0;     // a multiple of 16, <= max_head_dim
  float scale = 1;
  kv_type type = kv_type::float32;
  const std::uint32_t* keys = nullptr;    // of page 0, this layer and head
  const std::uint32_t* values = nullptr;  // of page 0, this layer and head
  std::size_t key_stride = 0;             // 32-bit words from page to page
  std::size_t value_stride = 0;
  std::size_t key_words = 0;  // of a page
  std::size_t value_words = 0;
  const std::uint32_t* page_table = nullptr;  // covers positions 0 .. the last query's
};
inline constexpr std::uint32_t max_queries = 64;
inline constexpr std::uint32_t max_head_dim = 256;
// Keys that are weighed at once: blocks start at multiples of it, whatever the query's position.
inline constexpr std::uint32_t attention_block = 64;
// Queries that share a pass over a block.
inline constexpr std::uint32_t queries_at_once = 8;

struct attention_scratch {
  const std::uint32_t* queries[max_queries];  // in: operands of head_dim, or quantize_query's
  std::uint32_t positions[max_queries];       // in: ascending
  // The results, unrounded: [head_dim] a query, back to back.
  float* out_row(std::uint32_t query, std::uint32_t head_dim) {
    return out + std::size_t{query} * head_dim;
  }

  alignas(64) float out[max_queries * max_head_dim];
  alignas(64) float scores[queries_at_once][attention_block];
  alignas(64) std::uint32_t weights[queries_at_once][attention_block];
  alignas(64) float sum[max_queries][16];  // in sixteen parts
  float highest[max_queries];
};
void attention(const attention_args& args, attention_scratch& scratch);

}  // namespace troupe::kernels
