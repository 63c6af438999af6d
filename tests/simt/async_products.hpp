// Multiplications of a warpgroup, as PTX describes wgmma: of 64 rows, N columns and 16 between
// them, bfloat16 by bfloat16 into float32.
//
// They read shared memory, and a's registers, at some time between their start and the wait for
// them; until that wait their sums' registers are poison, which nobody may touch.
#pragma once
#include <cstdint>

namespace simt {

// What each lane brings. A matrix in shared memory is given by its descriptor: patterns of 128
// bytes only.
struct async_product {
  float* c = nullptr;  // [n / 2]
  unsigned n = 0;
  const std::uint32_t* a = nullptr;  // [4], then b's columns lie side by side; null: a_matrix, and
  std::uint64_t a_matrix = 0;        // of both the 16 lie side by side
  std::uint64_t b_matrix = 0;
  bool adds = false;  // to c; else c is replaced
};

void begin_products(unsigned site);   // wgmma.fence
void commit_products(unsigned site);  // wgmma.commit_group
void await_products(unsigned site, unsigned groups_left);
void multiply_async(unsigned site, const async_product& product);

}  // namespace simt
