// What keys and values are stored as.
#pragma once
#include <cstdint>
#include <string_view>

#include "model/tensor.hpp"

namespace troupe {

enum class kv_type : std::uint8_t { float32, bfloat16, int8 };

constexpr std::string_view to_string(kv_type type) {
  switch (type) {
    case kv_type::float32: return "float32";
    case kv_type::bfloat16: return "bfloat16";
    case kv_type::int8: break;
  }
  return "int8";
}

constexpr kv_type kv_type_of(dtype type) {
  return type == dtype::float32 ? kv_type::float32 : kv_type::bfloat16;
}
// Of what is stored unquantised, and of the queries that meet it.
constexpr dtype dtype_of(kv_type type) {
  return type == kv_type::float32 ? dtype::float32 : dtype::bfloat16;
}

// int8: so many neighbours of a key (or query) along head_dim share a scale; the last group of a
// head may be half as long. A value has one scale.
inline constexpr std::uint32_t kv_group_size = 32;
constexpr std::uint32_t num_kv_groups(std::uint32_t head_dim) {
  return (head_dim + kv_group_size - 1) / kv_group_size;
}

}  // namespace troupe
