// Reads memory and does nothing with it: how fast anything can read at all.
#include "cuda/kernels/gpu.cuh"

#include "gpu/engine.hpp"

namespace troupe::cuda {
namespace {

constexpr unsigned block_threads = 512;
constexpr unsigned num_blocks = 2048;
constexpr unsigned loads_at_once = 8;

__global__ void read_kernel(const vec16* from, std::uint64_t count, std::uint32_t* sink) {
  const std::uint64_t stride = std::uint64_t{gridDim.x} * block_threads;
  std::uint64_t i = std::uint64_t{blockIdx.x} * block_threads + threadIdx.x;
  std::uint32_t seen = 0;
  for (; i + (loads_at_once - 1) * stride < count; i += loads_at_once * stride) {
    vec16 v[loads_at_once];
    for (unsigned k = 0; k < loads_at_once; ++k) v[k] = load_16_once(from + i + k * stride);
    for (unsigned k = 0; k < loads_at_once; ++k) seen ^= v[k].words[0] ^ v[k].words[3];
  }
  for (; i < count; i += stride) seen ^= load_16_once(from + i).words[0];
  // Never true of memory filled with zeros, but nobody told the compiler.
  if (seen == 0x9E3779B9U) *sink = seen;
}

}  // namespace

launch_error read_memory(const void* from, std::uint64_t num_bytes, std::uint32_t* sink,
                         cuda_stream stream) {
  return launch(&read_kernel, dim3{num_blocks, 1, 1}, dim3{block_threads, 1, 1}, 0, stream,
                static_cast<const vec16*>(from), num_bytes / sizeof(vec16), sink);
}

}  // namespace troupe::cuda
