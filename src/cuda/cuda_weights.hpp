// Weights in the memory of a device, and their way there: rows of a slice are gathered into pinned
// memory and copied while the next ones are gathered.
#pragma once
#include <array>
#include <memory>
#include <span>

#include "cuda/kernels.hpp"
#include "cuda/owners.hpp"
#include "model/device.hpp"

namespace troupe::cuda {

// [out_features, in_features], row-major, as published.
class cuda_matrix : public device_matrix {
 public:
  cuda_matrix(std::uint32_t out_features, std::uint32_t in_features);
  std::uint64_t size_in_bytes() const override { return buffer_.size(); }
  bf16* data() const { return buffer_.as<bf16>(); }

 private:
  device_buffer buffer_;
};

// [size] twice: as float32 for our kernels, as bfloat16 for cuBLASLt's epilogue.
class cuda_vector : public device_vector {
 public:
  cuda_vector(std::span<const float> values, cudaStream_t stream);
  std::uint32_t size() const override { return size_; }
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
  std::shared_ptr<cuda_matrix> upload(const linear_slice& slice);
  std::shared_ptr<cuda_vector> upload(std::span<const float> values);

 private:
  struct stage {
    pinned_buffer memory;
    event_owner copied;
  };
  void gather(const linear_slice& slice, std::uint32_t first, std::uint32_t count,
              std::byte* out) const;

  std::uint32_t num_threads_;
  cuda_stream stream() const { return stream_.get(); }
  stream_owner stream_;
  std::array<stage, 2> stages_;
};

}  // namespace troupe::cuda
