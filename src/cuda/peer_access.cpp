#include "cuda/peer_access.hpp"

#include <cuda_runtime_api.h>

#include "cuda/cuda_error.hpp"

namespace troupe::cuda {
namespace {

template <class Work>
bool all_pairs(std::uint32_t count, const Work& work) {
  for (int from = 0; from < static_cast<int>(count); ++from) {
    for (int to = 0; to < static_cast<int>(count); ++to) {
      if (from != to && !work(from, to)) return false;
    }
  }
  return true;
}

bool can_reach(int from, int to) {
  int can = 0;
  check_cuda(cudaDeviceCanAccessPeer(&can, from, to), "cudaDeviceCanAccessPeer");
  return can != 0;
}

bool open(int from, int to) {
  use_gpu(from);
  const cudaError_t error = cudaDeviceEnablePeerAccess(to, 0);
  if (error == cudaErrorPeerAccessAlreadyEnabled) {
    static_cast<void>(cudaGetLastError());  // which would fail the next launch
    return true;
  }
  check_cuda(error, "cudaDeviceEnablePeerAccess");
  return true;
}

}  // namespace

bool open_peer_access(std::uint32_t count) {
  return all_pairs(count, can_reach) && all_pairs(count, open);
}

}  // namespace troupe::cuda
