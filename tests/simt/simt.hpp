// CUDA's words for kernels, said by the emulator: a .cu file includes it where CUDA is not
// (src/cuda/kernels/gpu.cuh).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "simt/machine.hpp"
#include "simt/warp_instructions.hpp"

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (simt::thread_index())
#define blockIdx (simt::block_index())
#define blockDim (simt::block_size())
#define gridDim (simt::grid_size())

inline void __syncthreads() { simt::block_barrier(); }
inline void __syncwarp(unsigned mask = ~0U, unsigned site = __builtin_LINE()) {
  simt::warp_barrier(site, mask);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, unsigned site = __builtin_LINE()) {
  return simt::shuffle(site, mask, value, simt::lane_index() ^ static_cast<unsigned>(lanes));
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, unsigned site = __builtin_LINE()) {
  return simt::shuffle(site, mask, value, static_cast<unsigned>(lane) % simt::warp_size);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, unsigned site = __builtin_LINE()) {
  const unsigned lane = simt::lane_index();
  return simt::shuffle(site, mask, value, lane >= lanes ? lane - lanes : lane);
}
inline unsigned __ballot_sync(unsigned mask, bool vote, unsigned site = __builtin_LINE()) {
  return simt::ballot(site, mask, vote);
}

// Every store is seen at once.
inline void __threadfence_system() {}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(unsigned x) { return __builtin_ffs(static_cast<int>(x)); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using wide = unsigned __int128;
  return static_cast<unsigned long long>(wide{a} * b >> 64U);
}

// Threads are fibers of one thread: no two of them are within an instruction at once.
template <class T>
T atomicAdd(T* place, T value) {
  const T before = *place;
  *place = before + value;
  return before;
}
