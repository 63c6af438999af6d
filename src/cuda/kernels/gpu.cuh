// All that a kernel needs from the machine. The same sources are compiled by nvcc for GPUs and,
// with TROUPE_SIMT, by any C++20 compiler for the emulator of tests/simt/; only this file knows
// which, and warpgroup.cuh for what sm_90a alone has.
//
// Shared memory is always the dynamic kind, so that a launch states its size.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(TROUPE_SIMT)
#include "simt/simt.hpp"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#endif

#include "cuda/kernels.hpp"

namespace troupe::cuda {

inline constexpr unsigned warp_size = 32;
inline constexpr unsigned full_mask = ~0U;

// 16 bytes: what one thread loads and stores at once. Eight bfloat16, two in a word.
struct alignas(16) vec16 {
  std::uint32_t words[4];
};

#if defined(TROUPE_SIMT)

inline std::byte* block_memory() { return simt::shared_memory(); }
inline std::uint32_t shared_address(const void* p) { return simt::shared_address(p); }

inline void copy_async(std::uint32_t target, const void* source) { simt::copy_16(target, source); }
inline void commit_copies() { simt::commit_copies(); }
template <int GroupsLeft>
void await_copies() {
  simt::await_copies(GroupsLeft);
}

inline void load_matrices(std::uint32_t (&result)[4], std::uint32_t address,
                          unsigned site = __builtin_LINE()) {
  simt::load_matrices(site, result, address, false);
}
inline void load_transposed(std::uint32_t (&result)[4], std::uint32_t address,
                            unsigned site = __builtin_LINE()) {
  simt::load_matrices(site, result, address, true);
}
inline std::uint32_t transpose(std::uint32_t value, unsigned site = __builtin_LINE()) {
  return simt::transpose(site, value);
}
inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                         std::uint32_t b1, unsigned site = __builtin_LINE()) {
  simt::multiply_add(site, c, a, b0, b1);
}

inline vec16 load_16(const void* p) {
  if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) simt::fault("a load that is not aligned");
  vec16 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline vec16 load_16_once(const void* p) { return load_16(p); }
inline void store_8(void* p, std::uint32_t first, std::uint32_t second) {
  if (reinterpret_cast<std::uintptr_t>(p) % 8 != 0) simt::fault("a store that is not aligned");
  std::memcpy(p, &first, sizeof first);
  std::memcpy(static_cast<std::byte*>(p) + sizeof first, &second, sizeof second);
}
inline void store_16(void* p, const vec16& v) {
  if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) simt::fault("a store that is not aligned");
  std::memcpy(p, &v, sizeof v);
}

// Another block's flag: it may run only when this one gives way.
inline std::uint32_t load_acquire(const std::uint32_t* p) {
  simt::let_others_run();
  return *p;
}
inline void store_release(std::uint32_t* p, std::uint32_t value) { *p = value; }

inline bf16 to_bf16(float x) { return to_bfloat16(x); }
inline std::uint32_t pack(float low, float high) {
  return to_bf16(low).bits | static_cast<std::uint32_t>(to_bf16(high).bits) << 16U;
}
inline float float_of(std::uint32_t bits) {
  float x = 0;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline std::uint32_t bits_of(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
// Of two bfloat16 each, rounded.
inline std::uint32_t multiply_pairs(std::uint32_t a, std::uint32_t b) {
  return pack(float_of(a << 16U) * float_of(b << 16U),
              float_of(a & 0xFFFF0000U) * float_of(b & 0xFFFF0000U));
}
inline float half_to_float(float16 x) { return to_float(x); }
inline float fused_multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
inline float exp2_fast(float x) { return std::exp2(x); }
inline float exp_fast(float x) { return std::exp(x); }
inline float inverse_sqrt(float x) { return 1.0F / std::sqrt(x); }

using launch_meeting = simt::launch_meeting;
template <class... Parameters, class... Arguments>
launch_error launch_to_meet(const launch_meeting& meeting, void (*kernel)(Parameters...), dim3 grid,
                            dim3 block, std::size_t shared_bytes, cuda_stream stream,
                            Arguments... arguments) {
  const bool is_done =
      simt::submit(stream, {grid, block, shared_bytes, meeting}, [=] { kernel(arguments...); });
  // cudaErrorLaunchFailure: why stands in simt::last_fault().
  return is_done ? launch_error::none : static_cast<launch_error>(719);
}
template <class... Parameters, class... Arguments>
launch_error launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                    cuda_stream stream, Arguments... arguments) {
  return launch_to_meet({}, kernel, grid, block, shared_bytes, stream, arguments...);
}

#else

// Aligned to what the patterns of warpgroup.cuh repeat after.
__device__ __forceinline__ std::byte* block_memory() {
  extern __shared__ __align__(1024) std::byte shared_bytes_of_block[];
  return shared_bytes_of_block;
}
__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void copy_async(std::uint32_t target, const void* source) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(target), "l"(source)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int GroupsLeft>
__device__ __forceinline__ void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GroupsLeft) : "memory");
}

__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void load_transposed(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ std::uint32_t transpose(std::uint32_t value) {
  std::uint32_t result;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(value));
  return result;
}
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4],
                                             std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ vec16 load_16(const void* p) {
  const uint4 v = *static_cast<const uint4*>(p);
  return {{v.x, v.y, v.z, v.w}};
}
// Read once by the whole device: weights, which no kernel writes.
__device__ __forceinline__ vec16 load_16_once(const void* p) {
  vec16 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.words[0]), "=r"(v.words[1]), "=r"(v.words[2]), "=r"(v.words[3])
               : "l"(p));
  return v;
}
__device__ __forceinline__ void store_8(void* p, std::uint32_t first, std::uint32_t second) {
  *static_cast<uint2*>(p) = make_uint2(first, second);
}
__device__ __forceinline__ void store_16(void* p, const vec16& v) {
  *static_cast<uint4*>(p) = make_uint4(v.words[0], v.words[1], v.words[2], v.words[3]);
}

// Flags of blocks on other devices.
__device__ __forceinline__ std::uint32_t load_acquire(const std::uint32_t* p) {
  std::uint32_t value;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
  return value;
}
__device__ __forceinline__ void store_release(std::uint32_t* p, std::uint32_t value) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}

__device__ __forceinline__ float float_of(std::uint32_t bits) { return __uint_as_float(bits); }
__device__ __forceinline__ std::uint32_t bits_of(float x) { return __float_as_uint(x); }
__device__ __forceinline__ bf16 to_bf16(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
__device__ __forceinline__ std::uint32_t pack(float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return __bfloat16_as_ushort(both.x) | static_cast<std::uint32_t>(__bfloat16_as_ushort(both.y))
                                            << 16U;
}
// Of two bfloat16 each, rounded. Adds minus zero, which changes nothing: the multiplication alone
// came with sm_90.
__device__ __forceinline__ std::uint32_t multiply_pairs(std::uint32_t a, std::uint32_t b) {
  std::uint32_t result;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(0x80008000U));
  return result;
}
__device__ __forceinline__ float half_to_float(float16 x) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
  return result;
}
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
#define TROUPE_CONVERTS_E4M3
__device__ __forceinline__ std::uint32_t convert_e4m3_pair(float low, float high) {
  std::uint16_t result;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(result) : "f"(high), "f"(low));
  return result;
}
#endif
__device__ __forceinline__ float fused_multiply_add(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}
__device__ __forceinline__ float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
__device__ __forceinline__ float exp_fast(float x) { return __expf(x); }
__device__ __forceinline__ float inverse_sqrt(float x) { return rsqrtf(x); }

// More shared memory than every kernel may have must be asked for.
inline constexpr std::size_t usual_shared_bytes = 48 * 1024;

template <class... Parameters, class... Arguments>
launch_error launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                    cuda_stream stream, Arguments... arguments) {
  if (shared_bytes > usual_shared_bytes) {
    const cudaError_t error = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return static_cast<launch_error>(error);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  return static_cast<launch_error>(
      cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

// A kernel that waits for others on other devices. They run at the same time by themselves; only
// the emulator has to be told which: those of one place, and when they are not waited for any more.
struct launch_meeting {
  const void* place = nullptr;
  std::uint32_t num_launches = 1;
  const std::uint32_t* abandoned = nullptr;
};
template <class... Parameters, class... Arguments>
launch_error launch_to_meet(const launch_meeting&, void (*kernel)(Parameters...), dim3 grid,
                            dim3 block, std::size_t shared_bytes, cuda_stream stream,
                            Arguments... arguments) {
  return launch(kernel, grid, block, shared_bytes, stream, arguments...);
}

#endif

template <class T>
__device__ __forceinline__ T& block_memory_as() {
  return *reinterpret_cast<T*>(block_memory());
}

__device__ __forceinline__ float low_of(std::uint32_t pair) { return float_of(pair << 16U); }
__device__ __forceinline__ float high_of(std::uint32_t pair) {
  return float_of(pair & 0xFFFF0000U);
}
__device__ __forceinline__ float warp_sum(float x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(full_mask, x, lanes);
  return x;
}

template <class T>
constexpr T divide_up(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace troupe::cuda
