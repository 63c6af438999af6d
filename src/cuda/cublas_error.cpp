#include <string>

#include "cuda/cublas_api.hpp"
#include "model/runner.hpp"

namespace troupe::cuda {
namespace {

const char* words_for(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_NOT_INITIALIZED: return "not initialised";
    case CUBLAS_STATUS_ALLOC_FAILED: return "out of memory";
    case CUBLAS_STATUS_INVALID_VALUE: return "invalid value";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "not on this architecture";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "execution failed";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "not supported";
    default: return "internal error";
  }
}

}  // namespace

void check_cublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw device_error(std::string(call) + ": " + words_for(status) + " (" +
                     std::to_string(static_cast<int>(status)) + ").");
}

}  // namespace troupe::cuda
