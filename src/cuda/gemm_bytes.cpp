// Weights of bytes: few rows by our own kernel, which reads them as they are; for more of them,
// some rows of the matrix at a time become bfloat16 and are multiplied as such.
#include <algorithm>

#include "cuda/gemm.hpp"

namespace troupe::cuda {
namespace {

constexpr std::uint32_t step = 64;  // so that every piece of the output is aligned

// Rows of the matrix that are expanded at once: pieces of equal size, the last one shorter.
std::uint32_t piece_rows(const gemm_shape& shape) {
  const std::size_t fitting = gemm_expanded_bytes / (shape.in_features * sizeof(bf16));
  const auto most = std::max(step, static_cast<std::uint32_t>(fitting / step * step));
  const std::uint32_t num_pieces = (shape.out_features + most - 1) / most;
  const std::uint32_t rows = (shape.out_features + num_pieces - 1) / std::max(num_pieces, 1U);
  return (rows + step - 1) / step * step;
}

gemm_shape piece_of(const gemm_shape& shape, std::uint32_t first) {
  gemm_shape out = shape;
  out.has_bytes = false;
  out.out_features = std::min(piece_rows(shape), shape.out_features - first);
  out.out_stride = shape.out_features;
  return out;
}

}  // namespace

void gemm::run_bytes(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream) {
  bool is_own = !deterministic_ && call.num_rows <= max_byte_linear_rows;
  if (is_own && choices_ != nullptr && choices_->contains(shape)) {
    is_own = choice_for(shape, call.num_rows, choices_.get()).is_skinny;
  }
  if (!is_own) return run_expanded(shape, call, choices_.get(), stream);
  run_own(shape, call, stream);
}

void gemm::run_own(const gemm_shape& shape, const gemm_call& call, cudaStream_t stream) {
  byte_linear_args args{.x = call.x,
                        .weights = call.weights.bytes,
                        .scales = call.weights.scales,
                        .bias = shape.has_bias ? call.bias_float32 : nullptr,
                        .num_rows = call.num_rows,
                        .in_features = shape.in_features,
                        .out_features = shape.out_features};
  if (shape.is_float32) {
    args.out_float32 = static_cast<float*>(call.out);
  } else {
    args.out = static_cast<bf16*>(call.out);
  }
  check_launch(byte_linear(args, stream), "byte_linear");
}

void gemm::run_expanded(const gemm_shape& shape, const gemm_call& call, const gemm_choices* choices,
                        cudaStream_t stream) {
  const std::size_t groups = num_groups(shape.in_features);
  const std::size_t element = shape.is_float32 ? sizeof(float) : sizeof(bf16);
  for (std::uint32_t first = 0; first < shape.out_features; first += piece_rows(shape)) {
    const gemm_shape piece = piece_of(shape, first);
    const expand_weights_args args{
        .weights = call.weights.bytes + std::size_t{first} * shape.in_features,
        .scales = call.weights.scales + first * groups,
        .out = expanded_.as<bf16>(),
        .num_rows = piece.out_features,
        .in_features = shape.in_features};
    check_launch(expand_weights(args, stream), "expand_weights");
    gemm_call part = call;
    part.weights = {.halves = expanded_.as<bf16>()};
    if (part.bias != nullptr) part.bias += first;
    part.out = static_cast<std::byte*>(call.out) + first * element;
    run_as(choice_for(piece, call.num_rows, choices), piece, part, stream);
  }
}

template <class Visit>
void gemm::for_each_piece(const gemm_shape& shape, const Visit& visit) {
  for (std::uint32_t first = 0; first < shape.out_features; first += piece_rows(shape)) {
    visit(piece_of(shape, first));
  }
}

void gemm::fix_pieces(const gemm_shape& shape, std::uint32_t max_rows, gemm_choices& out) {
  for_each_piece(shape, [&](const gemm_shape& piece) {
    if (!out.contains(piece)) fix(piece, max_rows, out);
  });
}

void gemm::choose_bytes(const gemm_shape& shape, std::span<const weight_view> weights,
                        gemm_call call, cudaStream_t stream, gemm_choices& out) {
  const weight_view expanded{.halves = expanded_.as<bf16>()};
  for_each_piece(shape, [&](const gemm_shape& piece) {
    if (!out[piece].contains(call.num_rows)) choose_one(piece, {&expanded, 1}, call, stream, out);
  });
  const auto time = [&](const auto& work) {
    return measure(
        [&](std::size_t i) {
          call.weights = weights[i % weights.size()];
          work();
        },
        stream);
  };
  gemm_choice& chosen = out[shape][call.num_rows];
  chosen.microseconds = time([&] { run_expanded(shape, call, &out, stream); });
  if (call.num_rows > max_byte_linear_rows) return;
  const double own = time([&] { run_own(shape, call, stream); });
  chosen.is_skinny = own < chosen.microseconds;
  chosen.microseconds = std::min(own, chosen.microseconds);
}

}  // namespace troupe::cuda
