// Linear layers: out = x * weights^T + bias, by cuBLASLt or, for few rows, by our own kernel.
// Which algorithm is quickest is measured once for each shape and kept; in `deterministic` mode one
// algorithm serves every number of rows, so that a row's bits do not depend on how many stand
// beside it.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "cuda/cublas_api.hpp"
#include "cuda/kernels.hpp"
#include "cuda/owners.hpp"
#include "model/integer_groups.hpp"

namespace troupe::cuda {

struct gemm_shape {
  std::uint32_t out_features = 0;
  std::uint32_t in_features = 0;
  bool has_bias = false;
  bool is_float32 = false;       // out, and then without bias; otherwise bfloat16
  bool has_bytes = false;        // weights
  std::uint32_t out_stride = 0;  // elements from row to row of out; 0: out_features
  auto operator<=>(const gemm_shape&) const = default;
};

// A matrix [out_features, in_features] of bfloat16, or of bytes with their scales.
struct weight_view {
  const bf16* halves = nullptr;
  const std::int8_t* bytes = nullptr;
  const float16* scales = nullptr;  // [out_features, num_groups(in_features)]
};

struct gemm_call {
  const bf16* x = nullptr;  // [num_rows, in_features]
  weight_view weights;
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
inline constexpr std::size_t gemm_expanded_bytes = 64U << 20U;  // only with weights of bytes

class gemm {
 public:
  // `has_bytes`: there are weights of bytes, which need room to become bfloat16.
  explicit gemm(bool deterministic, bool has_bytes = false);

  // Enqueues. Throws device_error. A shape that nobody chose for is done by what cuBLASLt thinks
  // best.
  void run(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream);

  // Chooses for one shape and every bucket of up to max_rows rows, by time where not deterministic.
  // `weights`: matrices of this shape, taken in turn so that none is found in a cache. x and out
  // have room for max_rows rows. Waits for the device.
  void choose(const gemm_shape& shape, std::span<const weight_view> weights, gemm_call call,
              std::uint32_t max_rows, cudaStream_t stream, gemm_choices& out);
  // The same for call.num_rows alone.
  void choose_one(const gemm_shape& shape, std::span<const weight_view> weights,
                  const gemm_call& call, cudaStream_t stream, gemm_choices& out);
  void use(std::shared_ptr<const gemm_choices> choices) { choices_ = std::move(choices); }

 private:
  struct problem;  // cuBLASLt's descriptions of a shape and a number of rows

  std::vector<gemm_choice> candidates(const gemm_shape& shape, std::uint32_t num_rows, int count);
  gemm_choice choice_for(const gemm_shape& shape, std::uint32_t num_rows,
                         const gemm_choices* choices);
  void run_as(const gemm_choice& choice, const gemm_shape& shape, const gemm_call& call,
              cudaStream_t stream);
  void run_bytes(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream);
  void run_own(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream);
  void run_expanded(const gemm_shape& shape, const gemm_call& call, const gemm_choices* choices,
                    cudaStream_t stream);
  template <class Visit>
  static void for_each_piece(const gemm_shape& shape, const Visit& visit);
  void fix_pieces(const gemm_shape& shape, std::uint32_t max_rows, gemm_choices& out);
  void choose_bytes(const gemm_shape& shape, std::span<const weight_view> weights, gemm_call call,
                    cudaStream_t stream, gemm_choices& out);
  // Microseconds of the quickest call of `work`, which is told how often it was called before.
  static double measure(const std::function<void(std::size_t)>& work, cudaStream_t stream);
  void fix(const gemm_shape& shape, std::uint32_t max_rows, gemm_choices& out);

  const cublas_api& api_;
  bool deterministic_;
  std::unique_ptr<cublasLtContext, decltype(cublas_api::destroy)> handle_;
  device_buffer workspace_;
  device_buffer expanded_;  // of weights of bytes, as many rows as fit
  std::shared_ptr<const gemm_choices> choices_;
  gemm_choices guesses_;  // of shapes that nobody chose for
};

}  // namespace troupe::cuda
