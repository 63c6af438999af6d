#include "cuda/gemm.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace troupe::cuda {
namespace {

constexpr std::array<std::uint32_t, 22> row_buckets = {
    1,    2,
    4,    8,
    16,   24,
    32,   48,
    64,   96,
    128,  160,
    192,  224,
    256,  384,
    512,  1024,
    2048, 4096,
    8192, std::numeric_limits<std::uint32_t>::max()};
constexpr int num_candidates = 16;
constexpr std::size_t num_measurements = 5;  // the best one counts
// The tiles of the one algorithm of a deterministic shape suit so many rows.
constexpr std::uint32_t deterministic_rows = 64;

template <class Handle>
using lt_owner = std::unique_ptr<Handle, cublasStatus_t (*)(Handle*)>;
using desc_owner = lt_owner<cublasLtMatmulDescOpaque_t>;
using layout_owner = lt_owner<cublasLtMatrixLayoutOpaque_t>;
using preference_owner = lt_owner<cublasLtMatmulPreferenceOpaque_t>;

bool can_be_skinny(const gemm_shape& shape, std::uint32_t num_rows) {
  return num_rows <= max_skinny_rows && shape.out_stride == 0 && shape.in_features % 8 == 0 &&
         shape.out_features % 2 == 0;
}

layout_owner make_layout(const cublas_api& api, cudaDataType type, std::uint64_t rows,
                         std::uint64_t columns, std::uint64_t stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  check_cublas(api.create_layout(&layout, type, rows, columns, static_cast<std::int64_t>(stride)),
               "cublasLtMatrixLayoutCreate");
  return {layout, api.destroy_layout};
}

}  // namespace

std::span<const std::uint32_t> gemm_row_buckets() {
  return std::span(row_buckets).first(row_buckets.size() - 1);
}

// cuBLASLt's matrices are column-major: out^T [N, M] = weights [N, K] * x^T [K, M].
struct gemm::problem {
  problem(const cublas_api& lt, const gemm_shape& shape, std::uint32_t num_rows)
      : api(lt),
        desc(make_desc(lt)),
        weights(
            make_layout(lt, CUDA_R_16BF, shape.in_features, shape.out_features, shape.in_features)),
        x(make_layout(lt, CUDA_R_16BF, shape.in_features, num_rows, shape.in_features)),
        out(make_layout(lt, shape.is_float32 ? CUDA_R_32F : CUDA_R_16BF, shape.out_features,
                        num_rows, shape.out_stride != 0 ? shape.out_stride : shape.out_features)) {
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    if (shape.has_bias) set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
  }

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_cublas(api.set_desc(desc.get(), attribute, &value, sizeof value),
                 "cublasLtMatmulDescSetAttribute");
  }

  static desc_owner make_desc(const cublas_api& api) {
    cublasLtMatmulDesc_t desc = nullptr;
    check_cublas(api.create_desc(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                 "cublasLtMatmulDescCreate");
    return {desc, api.destroy_desc};
  }

  const cublas_api& api;
  desc_owner desc;
  layout_owner weights;
  layout_owner x;
  layout_owner out;
};

gemm::gemm(bool deterministic, bool has_bytes)
    : api_(load_cublas()),
      deterministic_(deterministic),
      handle_(nullptr, api_.destroy),
      workspace_(make_device_buffer(gemm_workspace_bytes)),
      expanded_(make_device_buffer(has_bytes ? gemm_expanded_bytes : 0)) {
  cublasLtHandle_t handle = nullptr;
  check_cublas(api_.create(&handle), "cublasLtCreate");
  handle_.reset(handle);
}

std::vector<gemm_choice> gemm::candidates(const gemm_shape& shape, std::uint32_t num_rows,
                                          int count) {
  cublasLtMatmulPreference_t made = nullptr;
  check_cublas(api_.create_preference(&made), "cublasLtMatmulPreferenceCreate");
  const preference_owner preference(made, api_.destroy_preference);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    check_cublas(api_.set_preference(made, attribute, &value, sizeof value),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{gemm_workspace_bytes});
  if (deterministic_) {
    // Every output is the sum of one thread block: no split of in_features.
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
  }
  const problem p(api_, shape, num_rows);
  std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<std::size_t>(count));
  int num_found = 0;
  check_cublas(api_.get_heuristic(handle_.get(), p.desc.get(), p.weights.get(), p.x.get(),
                                  p.out.get(), p.out.get(), made, count, found.data(), &num_found),
               "cublasLtMatmulAlgoGetHeuristic");
  std::vector<gemm_choice> out;
  for (int i = 0; i < num_found; ++i) {
    const auto& one = found[static_cast<std::size_t>(i)];
    if (one.state != CUBLAS_STATUS_SUCCESS) continue;
    out.push_back({.algorithm = one.algo, .workspace_bytes = one.workspaceSize});
  }
  if (out.empty()) throw device_error("cuBLASLt knows no way to multiply by this matrix.");
  return out;
}

gemm_choice gemm::choice_for(const gemm_shape& shape, std::uint32_t num_rows,
                             const gemm_choices* choices) {
  if (choices != nullptr) {
    if (const auto known = choices->find(shape); known != choices->end()) {
      const auto fits = known->second.lower_bound(num_rows);
      if (fits != known->second.end()) return fits->second;
      return known->second.rbegin()->second;
    }
  }
  if (!deterministic_ && can_be_skinny(shape, num_rows)) return {.is_skinny = true};
  const std::uint32_t bucket =
      deterministic_ ? deterministic_rows : *std::ranges::lower_bound(row_buckets, num_rows);
  auto& of_shape = guesses_[shape];
  const auto [place, is_new] = of_shape.try_emplace(bucket);
  if (is_new) place->second = candidates(shape, std::min(bucket, 2 * num_rows), 1).front();
  return place->second;
}

void gemm::run(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream) {
  if (call.num_rows == 0) return;
  if (shape.has_bytes) return run_bytes(shape, call, stream);
  run_as(choice_for(shape, call.num_rows, choices_.get()), shape, call, stream);
}

void gemm::run_as(const gemm_choice& choice, const gemm_shape& shape, const gemm_call& call,
                  cudaStream_t stream) {
  if (choice.is_skinny) {
    skinny_linear_args args{.x = call.x,
                            .weights = call.weights.halves,
                            .bias = shape.has_bias ? call.bias_float32 : nullptr,
                            .num_rows = call.num_rows,
                            .in_features = shape.in_features,
                            .out_features = shape.out_features};
    if (shape.is_float32) {
      args.out_float32 = static_cast<float*>(call.out);
    } else {
      args.out = static_cast<bf16*>(call.out);
    }
    return check_launch(skinny_linear(args, stream), "skinny_linear");
  }
  problem p(api_, shape, call.num_rows);
  if (shape.has_bias) p.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.bias);
  constexpr float one = 1.0F;
  constexpr float zero = 0.0F;
  check_cublas(api_.matmul(handle_.get(), p.desc.get(), &one, call.weights.halves, p.weights.get(),
                           call.x, p.x.get(), &zero, call.out, p.out.get(), call.out, p.out.get(),
                           &choice.algorithm, workspace_.data(), workspace_.size(), stream),
               "cublasLtMatmul");
}

void gemm::choose(const gemm_shape& shape, std::span<const weight_view> weights, gemm_call call,
                  std::uint32_t max_rows, cudaStream_t stream, gemm_choices& out) {
  if (deterministic_) {
    return shape.has_bytes ? fix_pieces(shape, max_rows, out) : fix(shape, max_rows, out);
  }
  for (const std::uint32_t rows : gemm_row_buckets()) {
    call.num_rows = std::min(rows, max_rows);
    choose_one(shape, weights, call, stream, out);
    if (rows >= max_rows) return;
  }
}

void gemm::choose_one(const gemm_shape& shape, std::span<const weight_view> weights,
                      const gemm_call& call, cudaStream_t stream, gemm_choices& out) {
  if (shape.has_bytes) return choose_bytes(shape, weights, call, stream, out);
  auto found = candidates(shape, call.num_rows, num_candidates);
  if (can_be_skinny(shape, call.num_rows)) found.push_back({.is_skinny = true});
  gemm_call turn = call;
  for (gemm_choice& one : found) {
    one.microseconds = measure(
        [&](std::size_t i) {
          turn.weights = weights[i % weights.size()];
          run_as(one, shape, turn, stream);
        },
        stream);
  }
  out[shape][call.num_rows] = *std::ranges::min_element(found, {}, &gemm_choice::microseconds);
}

// The first algorithm that takes every number of rows.
void gemm::fix(const gemm_shape& shape, std::uint32_t max_rows, gemm_choices& out) {
  for (const gemm_choice& one : candidates(shape, deterministic_rows, num_candidates)) {
    const bool takes_all = std::ranges::all_of(gemm_row_buckets(), [&](std::uint32_t rows) {
      const problem p(api_, shape, std::min(rows, max_rows));
      cublasLtMatmulHeuristicResult_t result{};
      return api_.check_algo(handle_.get(), p.desc.get(), p.weights.get(), p.x.get(), p.out.get(),
                             p.out.get(), &one.algorithm, &result) == CUBLAS_STATUS_SUCCESS &&
             result.workspaceSize <= gemm_workspace_bytes;
    });
    if (!takes_all) continue;
    out[shape][row_buckets.back()] = one;
    return;
  }
  throw device_error("--deterministic: cuBLASLt has no algorithm for a matrix of " +
                     std::to_string(shape.out_features) + " x " +
                     std::to_string(shape.in_features) + " that takes every number of rows.");
}

double gemm::measure(const std::function<void(std::size_t)>& work, cudaStream_t stream) {
  const event_owner start = make_event(event_timing::measured);
  const event_owner end = make_event(event_timing::measured);
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i <= num_measurements; ++i) {
    record(start, stream);
    work(i);
    record(end, stream);
    synchronize(stream);
    // The first call may load the kernel.
    if (i > 0) best = std::min(best, 1000.0 * milliseconds_between(start, end));
  }
  return best;
}

}  // namespace troupe::cuda
