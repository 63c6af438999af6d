// The keys and values of every sequence: [layer][page][kv_head][16 tokens x head_dim], K and V
// apart; the order within a page of one head is kernels.hpp's. Allocated once, zeroed.
#pragma once
#include <cstdint>

#include "cpu/aligned_buffer.hpp"
#include "cpu/kernels.hpp"

namespace troupe {

struct kv_shape {
  std::uint32_t num_layers = 0;
  std::uint32_t num_pages = 0;
  std::uint32_t num_kv_heads = 0;
  std::uint32_t head_dim = 0;
  dtype type = dtype::float32;

  // 32-bit words of one page of one head.
  std::size_t head_words() const {
    const std::size_t elements = std::size_t{page_size_tokens} * head_dim;
    return type == dtype::float32 ? elements : elements / 2;
  }
  std::size_t page_words() const { return head_words() * num_kv_heads; }
  std::size_t total_words() const { return page_words() * num_pages * num_layers; }
};

class kv_pages {
 public:
  // Throws std::bad_alloc.
  explicit kv_pages(const kv_shape& shape)
      : shape_(shape), keys_(shape.total_words()), values_(shape.total_words()) {}

  const kv_shape& shape() const { return shape_; }
  // Of page 0.
  const std::uint32_t* keys(std::uint32_t layer, std::uint32_t kv_head) const {
    return keys_.data() + offset(layer, 0, kv_head);
  }
  const std::uint32_t* values(std::uint32_t layer, std::uint32_t kv_head) const {
    return values_.data() + offset(layer, 0, kv_head);
  }
  // key[head_dim] and value[head_dim] of one token; `token` is its place within the page.
  void write(std::uint32_t layer, page_idx page, std::uint32_t kv_head, std::uint32_t token,
             const float* key, const float* value);

 private:
  std::size_t offset(std::uint32_t layer, page_idx page, std::uint32_t kv_head) const {
    return (std::size_t{layer} * shape_.num_pages + page) * shape_.page_words() +
           kv_head * shape_.head_words();
  }

  kv_shape shape_;
  aligned_buffer<std::uint32_t> keys_;
  aligned_buffer<std::uint32_t> values_;
};

}  // namespace troupe
