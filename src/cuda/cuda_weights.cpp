#include "cuda/cuda_weights.hpp"

#include <algorithm>
#include <future>
#include <vector>

#include "cuda/weight_bytes.hpp"
#include "model/integer_groups.hpp"

namespace troupe::cuda {
namespace {

constexpr std::size_t stage_bytes = 32U << 20U;

// Of one row.
std::size_t row_bytes(std::size_t in_features, weight_kind kind) {
  return in_features * (kind == weight_kind::bytes ? 1 : sizeof(bf16));
}
std::size_t scale_bytes(std::uint32_t in_features, weight_kind kind) {
  return kind == weight_kind::bytes ? num_groups(in_features) * sizeof(float16) : 0;
}

}  // namespace

cuda_matrix::cuda_matrix(std::uint32_t out_features, std::uint32_t in_features, weight_kind kind)
    : device_matrix(out_features, in_features),
      kind_(kind),
      weights_(make_device_buffer(std::size_t{out_features} * row_bytes(in_features, kind))),
      scales_(make_device_buffer(std::size_t{out_features} * scale_bytes(in_features, kind))) {}

weight_view cuda_matrix::view() const {
  if (kind_ == weight_kind::halves) return {.halves = weights_.as<bf16>()};
  return {.bytes = weights_.as<std::int8_t>(), .scales = scales_.as<float16>()};
}

std::byte* cuda_matrix::row(std::uint32_t row) const {
  return weights_.data() + row * row_bytes(in_features(), kind_);
}

float16* cuda_matrix::scales_of(std::uint32_t row) const {
  return scales_.as<float16>() + row * num_groups(in_features());
}

std::uint64_t cuda_matrix::size_in_bytes(std::uint64_t out_features, std::uint32_t in_features,
                                         weight_kind kind) {
  return out_features * (row_bytes(in_features, kind) + scale_bytes(in_features, kind));
}

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

template <class Work>
void weight_uploader::share_rows(std::uint32_t count, const Work& work) const {
  const std::uint32_t share = (count + num_threads_ - 1) / num_threads_;
  std::vector<std::future<void>> others;
  for (std::uint32_t begin = share; begin < count; begin += share) {
    others.push_back(std::async(std::launch::async, work, begin, std::min(begin + share, count)));
  }
  work(0, std::min(share, count));
  for (auto& other : others) other.get();
}

void weight_uploader::gather(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
                             std::byte* out) const {
  const std::size_t width = slice.num_cols();
  share_rows(count, [&](std::uint32_t begin, std::uint32_t end) {
    auto* rows = reinterpret_cast<bfloat16*>(out) + begin * width;
    slice.copy_rows(first + begin, end - begin, {rows, (end - begin) * width});
  });
}

void weight_uploader::gather_bytes(const linear_slice& slice, std::uint32_t first,
                                   std::uint32_t count, std::byte* out) const {
  const std::size_t width = slice.num_cols();
  const std::size_t groups = num_groups(slice.num_cols());
  auto* bytes = reinterpret_cast<std::int8_t*>(out);
  auto* scales = reinterpret_cast<float16*>(out + count * width);
  share_rows(count, [&](std::uint32_t begin, std::uint32_t end) {
    std::vector<float> row(width);
    for (std::uint32_t r = begin; r < end; ++r) {
      slice.copy_rows(first + r, 1, row);
      round_to_bytes(row, bytes + r * width, scales + r * groups);
    }
  });
}

std::shared_ptr<cuda_matrix> weight_uploader::upload(const linear_slice& slice, weight_kind kind) {
  auto matrix = std::make_shared<cuda_matrix>(slice.num_rows(), slice.num_cols(), kind);
  const std::size_t of_row = row_bytes(slice.num_cols(), kind);
  const std::size_t of_scales = scale_bytes(slice.num_cols(), kind);
  const auto rows_at_once = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(stage_bytes / (of_row + of_scales), 1, 1U << 20U));
  std::size_t next = 0;
  for (std::uint32_t first = 0; first < slice.num_rows(); first += rows_at_once) {
    const std::uint32_t count = std::min(rows_at_once, slice.num_rows() - first);
    stage& one = stages_[next++ % stages_.size()];
    check_cuda(cudaEventSynchronize(one.copied.get()), "cudaEventSynchronize");
    if (kind == weight_kind::bytes) {
      gather_bytes(slice, first, count, one.memory.data());
      copy_to_device(matrix->scales_of(first), one.memory.data() + count * of_row,
                     count * of_scales, stream());
    } else {
      gather(slice, first, count, one.memory.data());
    }
    copy_to_device(matrix->row(first), one.memory.data(), count * of_row, stream());
    record(one.copied, stream());
  }
  synchronize(stream());
  return matrix;
}

std::shared_ptr<cuda_vector> weight_uploader::upload(std::span<const float> values) {
  return std::make_shared<cuda_vector>(values, stream());
}

}  // namespace troupe::cuda
