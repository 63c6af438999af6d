// Every call of the CUDA runtime that can fail goes through here: a failure is a device_error,
// which ends the requests that hang on it, never the process.
#pragma once
#include <cuda_runtime_api.h>

#include "cuda/kernels.hpp"
#include "model/runner.hpp"

namespace troupe::cuda {

// Throws device_error, such as "cudaMalloc: out of memory (cudaErrorMemoryAllocation).", and takes
// the error back from the runtime, which would report it again at a later call.
void check_cuda(cudaError_t status, const char* call);

// The same for what a kernel's launch reported.
void check_launch(launch_error status, const char* kernel);

// For a thread that is about to drive the device with this index.
void use_gpu(int device_index);

}  // namespace troupe::cuda
