#include "cpu/kv_pages.hpp"

#include <cstring>

namespace troupe {
namespace {

// Element `index` of a page; the word holds one float32 or two bfloat16.
void store(std::uint32_t* page, dtype type, std::size_t index, float value) {
  if (type == dtype::float32) {
    std::memcpy(page + index, &value, sizeof(value));
    return;
  }
  const bfloat16 rounded = to_bfloat16(value);
  std::memcpy(reinterpret_cast<std::byte*>(page) + index * sizeof(rounded), &rounded,
              sizeof(rounded));
}

}  // namespace

void kv_pages::write(std::uint32_t layer, page_idx page, std::uint32_t kv_head, std::uint32_t token,
                     const float* key, const float* value) {
  const std::size_t at = offset(layer, page, kv_head);
  std::uint32_t* keys = keys_.data() + at;
  std::uint32_t* values = values_.data() + at;
  for (std::uint32_t i = 0; i < shape_.head_dim; ++i) {
    store(keys, shape_.type, kernels::key_offset(shape_.type, i, token), key[i]);
    store(values, shape_.type, kernels::value_offset(shape_.type, shape_.head_dim, i, token),
          value[i]);
  }
}

}  // namespace troupe
