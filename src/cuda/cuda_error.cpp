#include "cuda/cuda_error.hpp"

#include <string>

namespace troupe::cuda {

void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  throw device_error(std::string(call) + ": " + cudaGetErrorString(status) + " (" +
                     cudaGetErrorName(status) + ").");
}

void check_launch(launch_error status, const char* kernel) {
  check_cuda(static_cast<cudaError_t>(status), kernel);
}

void use_gpu(int device_index) { check_cuda(cudaSetDevice(device_index), "cudaSetDevice"); }

}  // namespace troupe::cuda
