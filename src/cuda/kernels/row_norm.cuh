// One row's residual sum and RMS norm by one block: shared by add_rms_norm and peer_all_reduce.
#pragma once
#include "cuda/kernels/gpu.cuh"

namespace troupe::cuda {

// Every thread holds eight neighbours, so a block of 1024 does the widest row.
inline constexpr std::uint32_t max_norm_width = 8192;

constexpr unsigned norm_threads(std::uint32_t width) {
  return divide_up(width / 8, warp_size) * warp_size;
}

struct norm_memory {
  float warp_sums[32];
};

// The sum of a value of each thread, on every thread; in the order of lanes, then of warps. The
// block has whole warps.
__device__ __forceinline__ float block_sum(float x, norm_memory& memory) {
  const unsigned warp = threadIdx.x / warp_size;
  x = warp_sum(x);
  if (threadIdx.x % warp_size == 0) memory.warp_sums[warp] = x;
  __syncthreads();
  const unsigned lane = threadIdx.x % warp_size;
  return warp_sum(lane < blockDim.x / warp_size ? memory.warp_sums[lane] : 0.0F);
}

// Adds the addend's words to the residual's, rounds, and returns the sum of squares of what then
// stands there.
__device__ __forceinline__ float add_words(vec16& residual, const float (&addend)[8]) {
  float squares = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t before = residual.words[i];
    const std::uint32_t sum =
        pack(low_of(before) + addend[2 * i], high_of(before) + addend[2 * i + 1]);
    residual.words[i] = sum;
    squares += low_of(sum) * low_of(sum) + high_of(sum) * high_of(sum);
  }
  return squares;
}

__device__ __forceinline__ float squares_of(const vec16& x) {
  float squares = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    squares += low_of(x.words[i]) * low_of(x.words[i]) + high_of(x.words[i]) * high_of(x.words[i]);
  }
  return squares;
}

__device__ __forceinline__ vec16 normed(const vec16& x, float factor, const float* weight) {
  const vec16 first = load_16(weight);
  const vec16 second = load_16(weight + 4);
  vec16 out;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const vec16& w = i < 2 ? first : second;
    out.words[i] = pack(low_of(x.words[i]) * factor * float_of(w.words[2 * (i % 2)]),
                        high_of(x.words[i]) * factor * float_of(w.words[2 * (i % 2) + 1]));
  }
  return out;
}

}  // namespace troupe::cuda
