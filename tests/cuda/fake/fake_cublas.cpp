// cuBLASLt: matrices as described, multiplied by three loops. There are two algorithms; both give
// the same bits.
#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/numeric.hpp"
#include "cuda/cublas_api.hpp"
#include "fake_cuda.hpp"

using troupe::bfloat16;
using troupe::fake_cuda::fails;
using troupe::fake_cuda::note_object;

struct cublasLtContext {};
struct cublasLtMatmulDescOpaque_t {
  cublasOperation_t transposed_a = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType type;
  std::uint64_t rows;
  std::uint64_t columns;
  std::int64_t stride;
};
struct cublasLtMatmulPreferenceOpaque_t {};

namespace {

cublasStatus_t refused(const char* call) {
  return fails(call, cudaSuccess) ? CUBLAS_STATUS_INTERNAL_ERROR : CUBLAS_STATUS_SUCCESS;
}

template <class Made, class... Values>
cublasStatus_t make(const char* call, Made** target, Values... values) {
  if (const cublasStatus_t status = refused(call); status != CUBLAS_STATUS_SUCCESS) return status;
  *target = new Made{values...};
  note_object(1);
  return CUBLAS_STATUS_SUCCESS;
}

template <class Made>
cublasStatus_t destroy(Made* made) {
  delete made;
  note_object(-1);
  return CUBLAS_STATUS_SUCCESS;
}

struct product {
  const bfloat16* a;
  const bfloat16* b;
  const bfloat16* bias;
  void* out;
  std::uint64_t outputs;
  std::uint64_t inputs;
  std::uint64_t columns;
  std::uint64_t stride;
  bool is_float32;
};

void multiply(const product& p) {
  troupe::fake_cuda::note_matmul();
  for (std::uint64_t column = 0; column < p.columns; ++column) {
    for (std::uint64_t row = 0; row < p.outputs; ++row) {
      float sum = 0;
      for (std::uint64_t k = 0; k < p.inputs; ++k) {
        sum += to_float(p.a[row * p.inputs + k]) * to_float(p.b[column * p.inputs + k]);
      }
      if (p.bias != nullptr) sum += to_float(p.bias[row]);
      const std::uint64_t place = column * p.stride + row;
      if (p.is_float32) {
        static_cast<float*>(p.out)[place] = sum;
      } else {
        static_cast<bfloat16*>(p.out)[place] = troupe::to_bfloat16(sum);
      }
    }
  }
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return make("cublasLtCreate", handle); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy(handle); }
std::size_t cublasLtGetVersion() { return 130000; }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t,
                                        cudaDataType) {
  return make("cublasLtMatmulDescCreate", desc);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return destroy(desc); }

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t size) {
  if (refused("cublasLtMatmulDescSetAttribute") != CUBLAS_STATUS_SUCCESS) {
    return CUBLAS_STATUS_INTERNAL_ERROR;
  }
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: std::memcpy(&desc->transposed_a, value, size); break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE: std::memcpy(&desc->epilogue, value, size); break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: std::memcpy(&desc->bias, value, size); break;
    default: return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t stride) {
  return make("cublasLtMatrixLayoutCreate", layout, type, rows, columns, stride);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return make("cublasLtMatmulPreferenceCreate", preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, std::size_t) {
  return refused("cublasLtMatmulPreferenceSetAttribute");
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int count,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* num_results) {
  if (refused("cublasLtMatmulAlgoGetHeuristic") != CUBLAS_STATUS_SUCCESS) {
    return CUBLAS_STATUS_INTERNAL_ERROR;
  }
  *num_results = std::min(count, 2);
  for (int i = 0; i < *num_results; ++i) {
    results[i] = {};
    results[i].algo.data[0] = static_cast<std::uint64_t>(i) + 1;
    results[i].state = CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t*) {
  return algorithm->data[0] != 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void*,
                              const void* a, cublasLtMatrixLayout_t layout_a, const void* b,
                              cublasLtMatrixLayout_t layout_b, const void*, const void*,
                              cublasLtMatrixLayout_t, void* out, cublasLtMatrixLayout_t layout_out,
                              const cublasLtMatmulAlgo_t* algorithm, void*, std::size_t,
                              cudaStream_t stream) {
  if (refused("cublasLtMatmul") != CUBLAS_STATUS_SUCCESS) return CUBLAS_STATUS_INTERNAL_ERROR;
  const bool fits = desc->transposed_a == CUBLAS_OP_T && layout_a->rows == layout_b->rows &&
                    layout_a->columns == layout_out->rows &&
                    layout_b->columns == layout_out->columns && algorithm->data[0] != 0 &&
                    layout_a->type == CUDA_R_16BF && layout_b->type == CUDA_R_16BF;
  if (!fits) return CUBLAS_STATUS_INVALID_VALUE;
  const bool has_bias = desc->epilogue == CUBLASLT_EPILOGUE_BIAS;
  const product p{static_cast<const bfloat16*>(a),
                  static_cast<const bfloat16*>(b),
                  has_bias ? static_cast<const bfloat16*>(desc->bias) : nullptr,
                  out,
                  layout_out->rows,
                  layout_a->rows,
                  layout_out->columns,
                  static_cast<std::uint64_t>(layout_out->stride),
                  layout_out->type == CUDA_R_32F};
  troupe::fake_cuda::enqueue(stream, [p] { multiply(p); });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"

namespace troupe::cuda {

const cublas_api& load_cublas() {
  static const cublas_api api{cublasLtCreate,
                              cublasLtDestroy,
                              cublasLtGetVersion,
                              cublasLtMatmul,
                              cublasLtMatmulAlgoGetHeuristic,
                              cublasLtMatmulAlgoCheck,
                              cublasLtMatmulDescCreate,
                              cublasLtMatmulDescDestroy,
                              cublasLtMatmulDescSetAttribute,
                              cublasLtMatrixLayoutCreate,
                              cublasLtMatrixLayoutDestroy,
                              cublasLtMatmulPreferenceCreate,
                              cublasLtMatmulPreferenceDestroy,
                              cublasLtMatmulPreferenceSetAttribute};
  return api;
}

}  // namespace troupe::cuda
