// Rows of keys, values or queries in shared memory as the tensor cores read them.
#pragma once
#include "core/batch.hpp"
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {

inline constexpr float minus_infinity = -__builtin_inff();
inline constexpr float log2_e = 1.44269504F;

// Where 16 bytes of a row stand: eight rows' equal columns in different banks.
template <unsigned Dim>
__device__ __forceinline__ std::uint32_t tile_place(std::uint32_t base, unsigned row,
                                                    unsigned chunk) {
  return base + (row * (Dim / 8) + (chunk ^ (row & 7U))) * 16;
}

// The first element of a KV head's page.
template <unsigned Dim>
__device__ __forceinline__ std::size_t page_start(std::uint32_t page, std::uint32_t kv_head,
                                                  std::uint32_t num_kv_heads) {
  return (static_cast<std::size_t>(page) * num_kv_heads + kv_head) * page_size_tokens * Dim;
}

constexpr bool can_attend(const head_shape& heads) {
  if (heads.head_dim != 64 && heads.head_dim != 128) return false;
  if (heads.num_kv_heads == 0 || heads.num_q_heads % heads.num_kv_heads != 0) return false;
  const std::uint32_t group = heads.num_q_heads / heads.num_kv_heads;
  return group >= 1 && group <= 8;
}

}  // namespace troupe::cuda
