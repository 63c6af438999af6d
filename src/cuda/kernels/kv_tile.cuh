// Rows of keys, values or queries in shared memory as the tensor cores read them.
#pragma once
#include "core/batch.hpp"
#include "cuda/kernels/e4m3.cuh"
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

// The first byte of a KV head's page.
template <unsigned Dim, kv_format Format>
__device__ __forceinline__ std::size_t page_start(std::uint32_t page, std::uint32_t kv_head,
                                                  std::uint32_t num_kv_heads) {
  return (static_cast<std::size_t>(page) * num_kv_heads + kv_head) * head_page_bytes(Format, Dim);
}

// Sixteen numbers of a tile's row from the bytes at `from`.
template <unsigned Dim>
__device__ __forceinline__ void expand_into(std::uint32_t tile, unsigned row, unsigned sixteenth,
                                            const std::byte* from, std::byte exponent) {
  const std::uint32_t base = shared_address(block_memory());
  vec16 first;
  vec16 second;
  expand_bytes(load_16(from), static_cast<std::uint32_t>(exponent), first, second);
  store_16(block_memory() + (tile_place<Dim>(tile, row, 2 * sixteenth) - base), first);
  store_16(block_memory() + (tile_place<Dim>(tile, row, 2 * sixteenth + 1) - base), second);
}

constexpr bool can_attend(const head_shape& heads) {
  if (heads.head_dim != 64 && heads.head_dim != 128) return false;
  if (heads.num_kv_heads == 0 || heads.num_q_heads % heads.num_kv_heads != 0) return false;
  const std::uint32_t group = heads.num_q_heads / heads.num_kv_heads;
  return group >= 1 && group <= 8;
}

}  // namespace troupe::cuda
