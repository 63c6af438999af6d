// The keys and values of every sequence: [layer][page][kv_head][16 tokens x head_dim], K and V
// apart; the order within a page of one head is kernels.hpp's. Allocated once, zeroed.
#pragma once
#include <cstdint>
#include <memory>

#include "cpu/aligned_buffer.hpp"
#include "cpu/kernels.hpp"
#include "cpu/memory_filler.hpp"

namespace troupe {

struct kv_shape {
  std::uint32_t num_layers = 0;
  std::uint32_t num_pages = 0;
  std::uint32_t num_kv_heads = 0;
  std::uint32_t head_dim = 0;
  kv_type type = kv_type::float32;

  // 32-bit words of one page of one head: of its keys, of its values.
  std::size_t key_words() const {
    return element_words() +
           (type == kv_type::int8 ? num_kv_groups(head_dim) * scale_words : std::size_t{0});
  }
  std::size_t value_words() const {
    return element_words() + (type == kv_type::int8 ? scale_words : std::size_t{0});
  }
  // From page to page of the same layer.
  std::size_t key_stride() const { return key_words() * num_kv_heads; }
  std::size_t value_stride() const { return value_words() * num_kv_heads; }
  // One page, all layers, keys and values.
  std::uint64_t page_bytes() const {
    return std::uint64_t{num_layers} * (key_stride() + value_stride()) * sizeof(std::uint32_t);
  }

 private:
  // A bfloat16 for each token.
  static constexpr std::size_t scale_words = page_size_tokens / 2;
  std::size_t element_words() const {
    const std::size_t elements = std::size_t{page_size_tokens} * head_dim;
    switch (type) {
      case kv_type::float32: return elements;
      case kv_type::bfloat16: return elements / 2;
      case kv_type::int8: break;
    }
    return elements / 4;
  }
};

class kv_pages {
 public:
  // Throws std::bad_alloc.
  explicit kv_pages(const kv_shape& shape);

  const kv_shape& shape() const { return shape_; }
  // Of page 0.
  const std::uint32_t* keys(std::uint32_t layer, std::uint32_t kv_head) const {
    return keys_.data() + key_offset(layer, 0, kv_head);
  }
  const std::uint32_t* values(std::uint32_t layer, std::uint32_t kv_head) const {
    return values_.data() + value_offset(layer, 0, kv_head);
  }
  // key[head_dim] and value[head_dim] of one token; `token` is its place within the page. What is
  // stored depends on these values alone. Tokens of one page may be written at the same time.
  void write(std::uint32_t layer, page_idx page, std::uint32_t kv_head, std::uint32_t token,
             const float* key, const float* value);

 private:
  std::size_t num_pages() const { return std::size_t{shape_.num_layers} * shape_.num_pages; }
  std::size_t key_offset(std::uint32_t layer, page_idx page, std::uint32_t kv_head) const {
    return (std::size_t{layer} * shape_.num_pages + page) * shape_.key_stride() +
           kv_head * shape_.key_words();
  }
  std::size_t value_offset(std::uint32_t layer, page_idx page, std::uint32_t kv_head) const {
    return (std::size_t{layer} * shape_.num_pages + page) * shape_.value_stride() +
           kv_head * shape_.value_words();
  }

  kv_shape shape_;
  aligned_buffer<std::uint32_t> keys_;
  aligned_buffer<std::uint32_t> values_;
  std::unique_ptr<memory_filler> filler_;  // none where there is little to fill
};

}  // namespace troupe
