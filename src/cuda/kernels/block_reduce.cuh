// Sums, maxima and running sums over the threads of a block of 32 warps. Each call is for all its
// threads and begins with a barrier, so that the memory can be used again.
#pragma once
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {

inline constexpr unsigned full_warps = 32;
inline constexpr unsigned full_threads = full_warps * warp_size;

using u64 = unsigned long long;

template <class T>
struct reduce_memory {
  T of_warps[full_warps];
};

struct take_sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct take_highest {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

template <class T, class Take>
__device__ __forceinline__ T warp_reduce(T x, Take take) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x = take(x, __shfl_xor_sync(full_mask, x, lanes));
  return x;
}

// On every thread. In the order of a tree over lanes, then warps.
template <class T, class Take>
__device__ __forceinline__ T block_reduce(T x, Take take, reduce_memory<T>& memory) {
  x = warp_reduce(x, take);
  __syncthreads();
  if (threadIdx.x % warp_size == 0) memory.of_warps[threadIdx.x / warp_size] = x;
  __syncthreads();
  return warp_reduce(memory.of_warps[threadIdx.x % warp_size], take);
}

// The sum over this lane and those before it.
__device__ __forceinline__ u64 warp_running_sum(u64 x) {
  const unsigned lane = threadIdx.x % warp_size;
  for (unsigned lanes = 1; lanes < warp_size; lanes *= 2) {
    const u64 before = __shfl_up_sync(full_mask, x, lanes);
    if (lane >= lanes) x += before;
  }
  return x;
}

// The sum over the threads before this one.
__device__ __forceinline__ u64 sum_before(u64 x, reduce_memory<u64>& memory) {
  const unsigned warp = threadIdx.x / warp_size;
  const u64 running = warp_running_sum(x);
  __syncthreads();
  if (threadIdx.x % warp_size == warp_size - 1) memory.of_warps[warp] = running;
  __syncthreads();
  const u64 of_warps = warp_running_sum(memory.of_warps[threadIdx.x % warp_size]);
  const u64 before_warp =
      warp == 0 ? 0 : __shfl_sync(full_mask, of_warps, static_cast<int>(warp) - 1);
  return before_warp + running - x;
}

}  // namespace troupe::cuda
