#include "cuda/cublas_api.hpp"

#include <string>

#include "cuda/shared_library.hpp"

namespace troupe::cuda {
namespace {

cublas_api load() {
  const shared_library library(
      "cuBLASLt", {"libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR), "libcublasLt.so"});
  cublas_api api;
  library.find("cublasLtCreate", api.create);
  library.find("cublasLtDestroy", api.destroy);
  library.find("cublasLtGetVersion", api.get_version);
  library.find("cublasLtMatmul", api.matmul);
  library.find("cublasLtMatmulAlgoGetHeuristic", api.get_heuristic);
  library.find("cublasLtMatmulAlgoCheck", api.check_algo);
  library.find("cublasLtMatmulDescCreate", api.create_desc);
  library.find("cublasLtMatmulDescDestroy", api.destroy_desc);
  library.find("cublasLtMatmulDescSetAttribute", api.set_desc);
  library.find("cublasLtMatrixLayoutCreate", api.create_layout);
  library.find("cublasLtMatrixLayoutDestroy", api.destroy_layout);
  library.find("cublasLtMatmulPreferenceCreate", api.create_preference);
  library.find("cublasLtMatmulPreferenceDestroy", api.destroy_preference);
  library.find("cublasLtMatmulPreferenceSetAttribute", api.set_preference);
  return api;
}

}  // namespace

const cublas_api& load_cublas() {
  static const cublas_api api = load();
  return api;
}

}  // namespace troupe::cuda
