// What sm_90a has and no other GPU: four warps that multiply matrices in shared memory together
// while they go on, copies of boxes of rows by the machine's own engine, barriers that count bytes,
// registers that warps lend each other. Beside gpu.cuh the only file that knows whether it is
// compiled for a GPU or for the emulator of tests/simt/.
//
// Matrices in shared memory are bfloat16 in panels of 64 columns: a row of a panel has 128 bytes,
// eight rows are a pattern of 1024 bytes within which 16 bytes stand at their column xor their row.
// Patterns begin at multiples of 1024; copies of boxes write them, multiplications read them.
#pragma once
#include "cuda/kernels/gpu.cuh"

#if defined(TROUPE_SIMT)
#include "simt/async_copies.hpp"
#include "simt/async_products.hpp"
#else
#include <cuda.h>
#endif

namespace troupe::cuda {

inline constexpr unsigned warpgroup_size = 128;
inline constexpr unsigned panel_columns = 64;
inline constexpr std::uint32_t panel_row_bytes = 128;
inline constexpr std::uint32_t pattern_bytes = 1024;

// Where 16 bytes of a panel's row stand.
__device__ __forceinline__ std::uint32_t panel_place(std::uint32_t panel, unsigned row,
                                                     unsigned chunk) {
  return panel + row * panel_row_bytes + (chunk ^ (row & 7U)) * 16;
}

// What a multiplication must know of a matrix: where it begins, in units of 16 bytes how far it is
// from panel to panel (`leading`, read only where rows are the inner dimension of the product) and
// from pattern to pattern of a panel, and that it lies in patterns of 128 bytes.
__device__ __forceinline__ std::uint64_t describe_matrix(std::uint32_t address,
                                                         std::uint32_t panel_bytes) {
  constexpr std::uint64_t patterns_of_128_bytes = 1;
  return (address & 0x3FFFFU) >> 4U | static_cast<std::uint64_t>(panel_bytes >> 4U) << 16U |
         static_cast<std::uint64_t>(pattern_bytes >> 4U) << 32U | patterns_of_128_bytes << 62U;
}

// The thread's warpgroup, as a number that the compiler knows to be the same for all of a warp:
// only then multiplications of one branch go on side by side.
__device__ __forceinline__ unsigned warpgroup_index() {
  return __shfl_sync(full_mask, threadIdx.x / warpgroup_size, 0);
}

#if defined(TROUPE_SIMT)

using tensor_map = simt::tensor_map;
inline launch_error describe_rows(tensor_map& map, const void* rows, std::uint32_t columns,
                                  std::uint64_t num_rows, std::uint32_t box_rows) {
  map = {static_cast<const std::byte*>(rows), columns, num_rows, box_rows};
  return launch_error::none;
}
inline void prefetch_map(const tensor_map&) {}
using simt::copy_box;

inline void make_barrier(std::uint32_t barrier, std::uint32_t arrivals) {
  simt::make_barrier(barrier, arrivals);
}
inline void arrive_at(std::uint32_t barrier) { simt::arrive_at(barrier, 0); }
inline void arrive_and_expect(std::uint32_t barrier, std::uint32_t bytes) {
  simt::arrive_at(barrier, bytes);
}
inline void await_phase(std::uint32_t barrier, std::uint32_t parity) {
  while (!simt::has_passed(barrier, parity)) simt::let_others_run();
}
inline void show_to_engines(unsigned site = __builtin_LINE()) { simt::show_to_engines(site); }

template <unsigned Threads>
void await_others(unsigned barrier) {
  simt::named_barrier(barrier, Threads, true);
}
template <unsigned Threads>
void tell_others(unsigned barrier) {
  simt::named_barrier(barrier, Threads, false);
}
template <unsigned Registers>
void lend_registers(unsigned site = __builtin_LINE()) {
  simt::set_registers(site, Registers, false);
}
template <unsigned Registers>
void borrow_registers(unsigned site = __builtin_LINE()) {
  simt::set_registers(site, Registers, true);
}

inline void settle(float&) {}
inline void settle(std::uint32_t&) {}
inline void begin_products(unsigned site = __builtin_LINE()) { simt::begin_products(site); }
inline void commit_products(unsigned site = __builtin_LINE()) { simt::commit_products(site); }
template <unsigned GroupsLeft>
void await_products(unsigned site = __builtin_LINE()) {
  simt::await_products(site, GroupsLeft);
}
template <unsigned N>
void multiply_matrices(float (&c)[N / 8][4], std::uint64_t a, std::uint64_t b, bool adds,
                       unsigned site = __builtin_LINE()) {
  simt::multiply_async(site, {&c[0][0], N, nullptr, a, b, adds});
}
template <unsigned N>
void multiply_fragments(float (&c)[N / 8][4], const std::uint32_t (&a)[4], std::uint64_t b,
                        unsigned site = __builtin_LINE()) {
  simt::multiply_async(site, {&c[0][0], N, &a[0], 0, b, true});
}

#else

// Rows of bfloat16 back to back in global memory, as copies of boxes see them.
struct tensor_map {
  CUtensorMap map;
};

// Makes the map on the host. The driver has the function; the runtime knows where.
inline launch_error describe_rows(tensor_map& map, const void* rows, std::uint32_t columns,
                                  std::uint64_t num_rows, std::uint32_t box_rows) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult status{};
#if CUDART_VERSION >= 12050
  const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found,
                                                             12000, cudaEnableDefault, &status);
#else
  const cudaError_t error =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &status);
#endif
  if (error != cudaSuccess) return static_cast<launch_error>(error);
  if (found == nullptr) return static_cast<launch_error>(cudaErrorNotSupported);
  const cuuint64_t sizes[2] = {columns, num_rows};
  const cuuint64_t strides[1] = {columns * sizeof(bf16)};
  const cuuint32_t box[2] = {panel_columns, box_rows};
  const cuuint32_t steps[2] = {1, 1};
  const CUresult made = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found)(
      &map.map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(rows), sizes, strides, box,
      steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return made == CUDA_SUCCESS ? launch_error::none : launch_error::invalid_value;
}

__device__ __forceinline__ void prefetch_map(const tensor_map& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// One thread asks for panel_columns columns of the map's box_rows rows from `row` on; the barrier
// counts their bytes when they are there. Rows past the last are zeros.
__device__ __forceinline__ void copy_box(std::uint32_t target, const tensor_map& map,
                                         std::uint32_t column, std::uint32_t row,
                                         std::uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(target),
      "l"(&map), "r"(column), "r"(row), "r"(barrier)
      : "memory");
}

// A barrier of 8 bytes: a phase ends when all arrivals and all expected bytes have come.
__device__ __forceinline__ void make_barrier(std::uint32_t barrier, std::uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void arrive_at(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void arrive_and_expect(std::uint32_t barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
// Until the phase of this parity, 0 for the first, has ended. The phase before the first has.
__device__ __forceinline__ void await_phase(std::uint32_t barrier, std::uint32_t parity) {
  std::uint32_t has_passed = 0;
  while (has_passed == 0) {
    asm volatile(
        "{\n"
        ".reg .pred passed;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 passed, [%1], %2;\n"
        "selp.u32 %0, 1, 0, passed;\n"
        "}"
        : "=r"(has_passed)
        : "r"(barrier), "r"(parity)
        : "memory");
  }
}
// What threads wrote to shared memory, barriers included, becomes what copies and multiplications
// see of it. Each thread says so of its own before it meets whoever starts those.
__device__ __forceinline__ void show_to_engines() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Barriers 1 to 15 of some warps: those that await the others, and those that only tell them.
template <unsigned Threads>
__device__ __forceinline__ void await_others(unsigned barrier) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(Threads) : "memory");
}
template <unsigned Threads>
__device__ __forceinline__ void tell_others(unsigned barrier) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "n"(Threads) : "memory");
}

// From now on each thread of the warpgroup has so many.
template <unsigned Registers>
__device__ __forceinline__ void lend_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
}
template <unsigned Registers>
__device__ __forceinline__ void borrow_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
}

// What is computed up to here is: not later, when a multiplication wants the register.
__device__ __forceinline__ void settle(float& x) { asm volatile("" : "+f"(x)); }
__device__ __forceinline__ void settle(std::uint32_t& x) { asm volatile("" : "+r"(x)); }

// Between registers that threads wrote and multiplications that read or add to them.
__device__ __forceinline__ void begin_products() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// All groups but the last ones are done: their sums are in registers, what they read is free.
template <unsigned GroupsLeft>
__device__ __forceinline__ void await_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(GroupsLeft) : "memory");
}

#define TROUPE_SUM(c, n) "+f"((c)[n][0]), "+f"((c)[n][1]), "+f"((c)[n][2]), "+f"((c)[n][3])
#define TROUPE_SUMS_8(c, n)                                                           \
  TROUPE_SUM(c, n), TROUPE_SUM(c, n + 1), TROUPE_SUM(c, n + 2), TROUPE_SUM(c, n + 3), \
      TROUPE_SUM(c, n + 4), TROUPE_SUM(c, n + 5), TROUPE_SUM(c, n + 6), TROUPE_SUM(c, n + 7)
#define TROUPE_OPERANDS_32                                                 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define TROUPE_OPERANDS_64                                                             \
  TROUPE_OPERANDS_32                                                                   \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

// The warpgroup's 64 rows: c = a * b^T, with adds c += a * b^T, of 16 columns of a [64, ..] and of
// b [N, ..] in shared memory. Lane l of warp w has of row 16 * w + l / 4, and of that + 8, the
// columns 8 * n + 2 * (l % 4) and the next, as in mma.m16n8. Done when it is awaited.
template <unsigned N>
__device__ __forceinline__ void multiply_matrices(float (&c)[N / 8][4], std::uint64_t a,
                                                  std::uint64_t b, bool adds) {
  static_assert(N == 128);
  asm volatile(
      "{\n"
      ".reg .pred adds;\n"
      "setp.ne.b32 adds, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" TROUPE_OPERANDS_64
      "}, %64, %65, adds, 1, 1, 0, 0;\n"
      "}"
      : TROUPE_SUMS_8(c, 0), TROUPE_SUMS_8(c, 8)
      : "l"(a), "l"(b), "r"(static_cast<std::uint32_t>(adds)));
}

// c += a * b, of a in registers as mma.m16n8k16 has it and of 16 rows of b [.., N].
template <unsigned N>
__device__ __forceinline__ void multiply_fragments(float (&c)[N / 8][4],
                                                   const std::uint32_t (&a)[4], std::uint64_t b) {
  static_assert(N == 64 || N == 128);
  if constexpr (N == 128) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" TROUPE_OPERANDS_64
                 "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
                 : TROUPE_SUMS_8(c, 0), TROUPE_SUMS_8(c, 8)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
  } else {
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" TROUPE_OPERANDS_32
                 "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                 : TROUPE_SUMS_8(c, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
  }
}

#undef TROUPE_SUM
#undef TROUPE_SUMS_8
#undef TROUPE_OPERANDS_32
#undef TROUPE_OPERANDS_64

#endif

template <class T, unsigned N>
__device__ __forceinline__ void settle_all(T (&registers)[N][4]) {
#pragma unroll
  for (auto& four : registers) {
#pragma unroll
    for (T& one : four) settle(one);
  }
}

}  // namespace troupe::cuda
