#include "cuda/cuda_weights.hpp"

#include <algorithm>
#include <future>
#include <vector>

namespace troupe::cuda {
namespace {

constexpr std::size_t stage_bytes = 32U << 20U;

}  // namespace

cuda_matrix::cuda_matrix(std::uint32_t out_features, std::uint32_t in_features)
    : device_matrix(out_features, in_features),
      buffer_(make_device_buffer(std::size_t{out_features} * in_features * sizeof(bf16))) {}

cuda_vector::cuda_vector(std::span<const float> values, cudaStream_t stream)
    : size_(static_cast<std::uint32_t>(values.size())),
      floats_(make_device_buffer(values.size_bytes())),
      halves_(make_device_buffer(values.size() * sizeof(bf16))) {
  std::vector<bfloat16> rounded;
  for (const float value : values) rounded.push_back(to_bfloat16(value));
  static_assert(sizeof(bfloat16) == sizeof(bf16));
  copy_to_device(floats_.data(), values.data(), floats_.size(), stream);
  copy_to_device(halves_.data(), rounded.data(), halves_.size(), stream);
  synchronize(stream);
}

weight_uploader::weight_uploader(std::uint32_t num_threads)
    : num_threads_(std::max(1U, num_threads)), stream_(make_stream()) {
  for (stage& each : stages_) {
    each.memory = make_pinned_buffer(stage_bytes);
    each.copied = make_event();
  }
}

void weight_uploader::gather(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
                             std::byte* out) const {
  const std::size_t width = slice.num_cols();
  const auto copy = [&](std::uint32_t begin, std::uint32_t end) {
    auto* rows = reinterpret_cast<bfloat16*>(out) + begin * width;
    slice.copy_rows(first + begin, end - begin, {rows, (end - begin) * width});
  };
  const std::uint32_t share = (count + num_threads_ - 1) / num_threads_;
  std::vector<std::future<void>> others;
  for (std::uint32_t begin = share; begin < count; begin += share) {
    others.push_back(std::async(std::launch::async, copy, begin, std::min(begin + share, count)));
  }
  copy(0, std::min(share, count));
  for (auto& other : others) other.get();
}

std::shared_ptr<cuda_matrix> weight_uploader::upload(const linear_slice& slice) {
  auto matrix = std::make_shared<cuda_matrix>(slice.num_rows(), slice.num_cols());
  const std::size_t row_bytes = slice.num_cols() * sizeof(bf16);
  const auto rows_at_once =
      static_cast<std::uint32_t>(std::clamp<std::size_t>(stage_bytes / row_bytes, 1, 1U << 20U));
  std::size_t next = 0;
  for (std::uint32_t first = 0; first < slice.num_rows(); first += rows_at_once) {
    const std::uint32_t count = std::min(rows_at_once, slice.num_rows() - first);
    stage& one = stages_[next++ % stages_.size()];
    check_cuda(cudaEventSynchronize(one.copied.get()), "cudaEventSynchronize");
    gather(slice, first, count, one.memory.data());
    copy_to_device(matrix->data() + std::size_t{first} * slice.num_cols(), one.memory.data(),
                   count * row_bytes, stream());
    record(one.copied, stream());
  }
  synchronize(stream());
  return matrix;
}

std::shared_ptr<cuda_vector> weight_uploader::upload(std::span<const float> values) {
  return std::make_shared<cuda_vector>(values, stream());
}

}  // namespace troupe::cuda
