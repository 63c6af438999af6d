// Linear layers: out = x * weights^T + bias, by cuBLASLt or, for few rows, by our own kernel.
// Which algorithm is quickest is measured once for each shape and kept; in `deterministic` mode one
// algorithm serves every number of rows, so that a row's bits do not depend on how many stand
// beside it.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "cuda/cublas_api.hpp"
#include "cuda/kernels.hpp"
#include "cuda/owners.hpp"

namespace troupe::cuda {

struct gemm_shape {
  std::uint32_t out_features = 0;
  std::uint32_t in_features = 0;
  bool has_bias = false;
  bool is_float32 = false;  // out, and then without bias; otherwise bfloat16
  auto operator<=>(const gemm_shape&) const = default;
};

struct gemm_call {
  const bf16* x = nullptr;              // [num_rows, in_features]
  const bf16* weights = nullptr;        // [out_features, in_features]
  const bf16* bias = nullptr;           // [out_features], for cuBLASLt
  const float* bias_float32 = nullptr;  // the same numbers, for our kernel
  void* out = nullptr;                  // [num_rows, out_features]
  std::uint32_t num_rows = 0;
};

// How one shape is done for up to so many rows.
struct gemm_choice {
  bool is_skinny = false;  // by our own kernel
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace_bytes = 0;
  double microseconds = 0;  // 0: not measured
};

// Written while a model is loaded, read by all ranks afterwards. Keyed by shape, then by the
// largest number of rows that the choice is for.
using gemm_choices = std::map<gemm_shape, std::map<std::uint32_t, gemm_choice>>;

// Numbers of rows that choices are made for: every step of up to 256 decoding sequences is padded
// to one of the first, larger steps take the choice of the next one.
std::span<const std::uint32_t> gemm_row_buckets();
inline constexpr std::size_t gemm_workspace_bytes = 32U << 20U;

class gemm {
 public:
  explicit gemm(bool deterministic);

  // Enqueues. Throws device_error. A shape that nobody chose for is done by what cuBLASLt thinks
  // best.
  void run(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream);

  // Chooses for one shape and every bucket of up to max_rows rows, by time where not deterministic.
  // `weights`: matrices of this shape, taken in turn so that none is found in a cache. x and out
  // have room for max_rows rows. Waits for the device.
  void choose(const gemm_shape& shape, std::span<const bf16* const> weights, gemm_call call,
              std::uint32_t max_rows, cudaStream_t stream, gemm_choices& out);
  // The same for call.num_rows alone.
  void choose_one(const gemm_shape& shape, std::span<const bf16* const> weights,
                  const gemm_call& call, cudaStream_t stream, gemm_choices& out);
  void use(std::shared_ptr<const gemm_choices> choices) { choices_ = std::move(choices); }

 private:
  struct problem;  // cuBLASLt's descriptions of a shape and a number of rows

  std::vector<gemm_choice> candidates(const gemm_shape& shape, std::uint32_t num_rows, int count);
  gemm_choice choice_for(const gemm_shape& shape, std::uint32_t num_rows);
  void run_as(const gemm_choice& choice, const gemm_shape& shape, const gemm_call& call,
              cudaStream_t stream);
  double measure(const gemm_choice& choice, const gemm_shape& shape,
                 std::span<const bf16* const> weights, gemm_call call, cudaStream_t stream);
  void fix(const gemm_shape& shape, std::uint32_t max_rows, gemm_choices& out);

  const cublas_api& api_;
  bool deterministic_;
  std::unique_ptr<cublasLtContext, decltype(cublas_api::destroy)> handle_;
  device_buffer workspace_;
  std::shared_ptr<const gemm_choices> choices_;
  gemm_choices guesses_;  // of shapes that nobody chose for
};

}  // namespace troupe::cuda
