// Sequences in shuffled pages, and what attention over them should give.
#pragma once
#include <cstdint>
#include <vector>

#include "cuda/device_array.hpp"

namespace troupe::cuda {

struct test_chunk {
  std::uint32_t num_rows = 1;
  std::uint32_t first_position = 0;
};

// Rows, pages and tables of a step. What lies in the pages behind a context, and every page that
// nobody has, is NaN.
class attention_case {
 public:
  attention_case(head_shape heads, std::vector<test_chunk> chunks, unsigned seed,
                 float query_scale = 1.0F, kv_format format = kv_format::bf16);

  // Of chunks of more than one row; at first prefill_attention.
  void use(prefill_launch prefill) { prefill_ = prefill; }
  const std::vector<attention_chunk>& chunks() const { return chunks_; }
  std::uint32_t group() const { return heads_.num_q_heads / heads_.num_kv_heads; }
  std::uint32_t num_rows() const { return num_rows_; }
  const head_shape& heads() const { return heads_; }
  attention_args args();
  std::vector<float> out() { return to_floats(out_.values()); }
  bool is_whole() const { return out_.is_whole(); }

  // Both kernels, as the plan says; the output of all rows.
  std::vector<float> run() { return run(chunks_); }
  // The same for some chunks only; other rows become poison.
  std::vector<float> run(const std::vector<attention_chunk>& chunks,
                         lone_rows lone = lone_rows::as_parts);
  // Only decode, with parts of so many pages.
  std::vector<float> run_decode(std::uint32_t part_pages);
  // The largest error of a row's heads, relative to the largest element there should be.
  double error_of(const std::vector<float>& got) const;

 private:
  std::size_t line(std::uint32_t chunk_idx, std::uint32_t position, std::uint32_t kv_head) const;
  double error_of_head(const std::vector<float>& got, std::uint32_t chunk_idx, std::uint32_t row,
                       std::uint32_t head) const;

  void draw_pages(std::uint32_t num_pages, unsigned seed);

  head_shape heads_;
  kv_format format_;
  prefill_launch prefill_ = &prefill_attention;
  std::uint32_t num_pages_ = 0;
  std::uint32_t num_rows_ = 0;
  std::vector<attention_chunk> chunks_;
  std::vector<std::uint32_t> page_table_;
  std::vector<float> qkv_;   // [num_rows, q heads + 2 KV heads, head_dim]
  std::vector<float> keys_;  // [num_pages, KV heads, 16, head_dim], as the pages say them
  std::vector<float> values_;
  device_array<bf16> qkv_memory_{0};
  device_array<std::byte> key_memory_{0};
  device_array<std::byte> value_memory_{0};
  device_array<std::uint32_t> table_memory_{0};
  device_array<bf16> out_{0};
};

}  // namespace troupe::cuda
