#include "cpu/kv_pages.hpp"

#include <bit>
#include <cstddef>
#include <cstring>

namespace troupe {
namespace {

std::uint32_t pair_of(float even, float odd) {
  return to_bfloat16(even).bits | std::uint32_t{to_bfloat16(odd).bits} << 16U;
}

}  // namespace

void kv_pages::write(std::uint32_t layer, page_idx page, std::uint32_t kv_head, std::uint32_t token,
                     const float* key, const float* value) {
  const std::size_t at = offset(layer, page, kv_head);
  std::uint32_t* keys = keys_.data() + at + token;
  std::uint32_t* values = values_.data() + at;
  if (shape_.type == dtype::float32) {
    for (std::uint32_t i = 0; i < shape_.head_dim; ++i) {
      keys[i * page_size_tokens] = std::bit_cast<std::uint32_t>(key[i]);
      values[token * shape_.head_dim + i] = std::bit_cast<std::uint32_t>(value[i]);
    }
    return;
  }
  for (std::uint32_t i = 0; i < shape_.head_dim; i += 2) {
    keys[i / 2 * page_size_tokens] = pair_of(key[i], key[i + 1]);
  }
  // Half a word each: another thread may be writing the neighbour's half.
  auto* halves = reinterpret_cast<std::byte*>(values + token / 2 * shape_.head_dim);
  for (std::uint32_t i = 0; i < shape_.head_dim; ++i) {
    const bfloat16 rounded = to_bfloat16(value[i]);
    std::memcpy(halves + (2 * i + token % 2) * sizeof(rounded), &rounded, sizeof(rounded));
  }
}

}  // namespace troupe
