// Weights in the memory of a device, and their way there: rows of a slice are gathered into pinned
// memory and copied while the next ones are gathered.
#pragma once
#include <array>
#include <memory>
#include <span>

#include "cuda/gemm.hpp"
#include "cuda/owners.hpp"
#include "model/device.hpp"

namespace troupe::cuda {

// How weights are kept: as published, in bfloat16, or rounded to bytes with a scale for each group
// of model/integer_groups.hpp.
enum class weight_kind : bool { halves, bytes };

// [out_features, in_features], row-major.
class cuda_matrix : public device_matrix {
 public:
  cuda_matrix(std::uint32_t out_features, std::uint32_t in_features, weight_kind kind);
  std::uint64_t size_in_bytes() const override { return weights_.size() + scales_.size(); }
  weight_kind kind() const { return kind_; }
  weight_view view() const;
  std::byte* row(std::uint32_t row) const;
  float16* scales_of(std::uint32_t row) const;  // only of bytes

  // Of both together.
  static std::uint64_t size_in_bytes(std::uint64_t out_features, std::uint32_t in_features,
                                     weight_kind kind);

 private:
  weight_kind kind_;
  device_buffer weights_;
  device_buffer scales_;  // empty without bytes
};

// [size] twice: as float32 for our kernels, as bfloat16 for cuBLASLt's epilogue.
class cuda_vector : public device_vector {
 public:
  cuda_vector(std::span<const float> values, cudaStream_t stream);
  std::uint32_t size() const override { return size_; }
  static constexpr std::uint64_t element_bytes = sizeof(float) + sizeof(bf16);
  const float* floats() const { return floats_.as<float>(); }
  const bf16* halves() const { return halves_.as<bf16>(); }

 private:
  std::uint32_t size_;
  device_buffer floats_;
  device_buffer halves_;
};

class weight_uploader {
 public:
  // `num_threads` gather rows.
  explicit weight_uploader(std::uint32_t num_threads);
  // Returns when the weights are there.
  std::shared_ptr<cuda_matrix> upload(const linear_slice& slice, weight_kind kind);
  std::shared_ptr<cuda_vector> upload(std::span<const float> values);

 private:
  struct stage {
    pinned_buffer memory;  // rows of weights, then, of bytes, their scales
    event_owner copied;
  };
  // Calls work(begin, end) for shares of the rows 0 .. count - 1, side by side.
  template <class Work>
  void share_rows(std::uint32_t count, const Work& work) const;
  void gather(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
              std::byte* out) const;
  void gather_bytes(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
                    std::byte* out) const;

  std::uint32_t num_threads_;
  cuda_stream stream() const { return stream_.get(); }
  stream_owner stream_;
  std::array<stage, 2> stages_;
};

}  // namespace troupe::cuda
