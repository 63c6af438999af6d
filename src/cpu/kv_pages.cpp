#include "cpu/kv_pages.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace troupe {
namespace {

// The places of one token in one page of one head.
struct token_place {
  std::uint32_t* keys;
  std::uint32_t* values;
  std::uint32_t token;
  std::uint32_t head_dim;

  std::byte* value_bytes(std::size_t at) const { return reinterpret_cast<std::byte*>(values) + at; }
};

std::uint32_t pair_of(float even, float odd) {
  return to_bfloat16(even).bits | std::uint32_t{to_bfloat16(odd).bits} << 16U;
}

void write_floats(const token_place& place, const float* key, const float* value) {
  for (std::uint32_t i = 0; i < place.head_dim; ++i) {
    place.keys[i * page_size_tokens + place.token] = std::bit_cast<std::uint32_t>(key[i]);
    place.values[place.token * place.head_dim + i] = std::bit_cast<std::uint32_t>(value[i]);
  }
}

void write_pairs(const token_place& place, const float* key, const float* value) {
  for (std::uint32_t i = 0; i < place.head_dim; i += 2) {
    place.keys[i / 2 * page_size_tokens + place.token] = pair_of(key[i], key[i + 1]);
  }
  // Half a word each: another thread may be writing the neighbour's half.
  const std::size_t row = std::size_t{place.token} / 2 * place.head_dim;
  for (std::uint32_t i = 0; i < place.head_dim; ++i) {
    const bfloat16 rounded = to_bfloat16(value[i]);
    std::memcpy(place.value_bytes((2 * (row + i) + place.token % 2) * sizeof(rounded)), &rounded,
                sizeof(rounded));
  }
}

// `scales` of one group of 16 tokens.
void write_scale(std::uint32_t* scales, std::uint32_t token, bfloat16 scale) {
  std::memcpy(reinterpret_cast<std::byte*>(scales) + token * sizeof(scale), &scale, sizeof(scale));
}

void write_bytes(const token_place& place, const float* key, const float* value) {
  std::array<std::int8_t, kernels::max_head_dim> bytes{};
  const std::uint32_t dim = place.head_dim;
  std::uint32_t* scales = place.keys + dim / 4 * page_size_tokens;
  for (std::uint32_t i = 0; i < dim; i += kv_group_size, scales += page_size_tokens / 2) {
    const std::uint32_t count = std::min(kv_group_size, dim - i);
    write_scale(scales, place.token, kernels::quantize_bytes(key + i, count, bytes.data() + i));
  }
  for (std::uint32_t i = 0; i < dim; i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof(word));
    place.keys[i / 4 * page_size_tokens + place.token] = word ^ 0x80808080U;
  }
  write_scale(place.values + dim / 4 * page_size_tokens, place.token,
              kernels::quantize_bytes(value, dim, bytes.data()));
  std::byte* out = place.value_bytes(std::size_t{place.token} / 2 * dim * 2 + place.token % 2);
  for (std::uint32_t i = 0; i < dim; ++i) out[2 * i] = std::bit_cast<std::byte>(bytes[i]);
}

std::span<std::byte> bytes_of(aligned_buffer<std::uint32_t>& buffer) {
  return std::as_writable_bytes(buffer.span());
}

}  // namespace

kv_pages::kv_pages(const kv_shape& shape)
    : shape_(shape),
      keys_(num_pages() * shape.key_stride()),
      values_(num_pages() * shape.value_stride()) {
  constexpr std::size_t little = std::size_t{64} << 20U;
  std::vector<std::span<std::byte>> blocks{bytes_of(keys_), bytes_of(values_)};
  if (blocks[0].size() < little) return;
  filler_ = std::make_unique<memory_filler>(std::move(blocks));
}

void kv_pages::write(std::uint32_t layer, page_idx page, std::uint32_t kv_head, std::uint32_t token,
                     const float* key, const float* value) {
  const token_place place{keys_.data() + key_offset(layer, page, kv_head),
                          values_.data() + value_offset(layer, page, kv_head), token,
                          shape_.head_dim};
  switch (shape_.type) {
    case kv_type::float32: return write_floats(place, key, value);
    case kv_type::bfloat16: return write_pairs(place, key, value);
    case kv_type::int8: return write_bytes(place, key, value);
  }
}

}  // namespace troupe
