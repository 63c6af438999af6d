// The functions of cuBLASLt that we call. The library has half a gigabyte, so it is loaded when the
// first device is made, not with the program.
#pragma once
#include <cublasLt.h>

#include <cstddef>

namespace troupe::cuda {

struct cublas_api {
  decltype(cublasLtCreate)* create = nullptr;
  decltype(cublasLtDestroy)* destroy = nullptr;
  decltype(cublasLtGetVersion)* get_version = nullptr;
  decltype(cublasLtMatmul)* matmul = nullptr;
  decltype(cublasLtMatmulAlgoGetHeuristic)* get_heuristic = nullptr;
  decltype(cublasLtMatmulAlgoCheck)* check_algo = nullptr;
  decltype(cublasLtMatmulDescCreate)* create_desc = nullptr;
  decltype(cublasLtMatmulDescDestroy)* destroy_desc = nullptr;
  decltype(cublasLtMatmulDescSetAttribute)* set_desc = nullptr;
  decltype(cublasLtMatrixLayoutCreate)* create_layout = nullptr;
  decltype(cublasLtMatrixLayoutDestroy)* destroy_layout = nullptr;
  decltype(cublasLtMatmulPreferenceCreate)* create_preference = nullptr;
  decltype(cublasLtMatmulPreferenceDestroy)* destroy_preference = nullptr;
  decltype(cublasLtMatmulPreferenceSetAttribute)* set_preference = nullptr;
};

// Loads it at the first call. Throws device_error if it cannot be loaded, at this and later calls.
const cublas_api& load_cublas();

// Throws device_error, such as "cublasLtMatmul: not supported (15).".
void check_cublas(cublasStatus_t status, const char* call);

}  // namespace troupe::cuda
