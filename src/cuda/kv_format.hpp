// What a GPU keeps keys and values as.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/batch.hpp"

namespace troupe::cuda {

// A page of one KV head holds page_size_tokens rows of head_dim
//   bf16  numbers of 16 bits
//   e4m3  numbers of 8 bits, back to back, behind them one byte for each row: the row's numbers are
//         meant times 2^(byte - 127). The byte is the smallest that lets the row's largest number
//         be said, so that what a token becomes depends on nothing that stands beside it.
enum class kv_format : std::uint8_t { bf16, e4m3 };

constexpr std::size_t head_page_bytes(kv_format format, std::uint32_t head_dim) {
  return page_size_tokens * (format == kv_format::bf16 ? 2 * head_dim : head_dim + 1);
}

}  // namespace troupe::cuda
