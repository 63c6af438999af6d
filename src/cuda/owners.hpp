// One owner for each thing of the CUDA runtime. All are move-only, free what they own without a
// word and may be empty; making one throws device_error. They belong to the device that is current
// when they are made.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <utility>

#include "cuda/cuda_error.hpp"

namespace troupe::cuda {

// Holds a handle and calls Free with it once.
template <class Handle, auto Free>
class owner {
 public:
  owner() = default;
  explicit owner(Handle handle) : handle_(handle) {}
  ~owner() { reset(); }
  owner(owner&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  owner& operator=(owner&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, Handle{});
    }
    return *this;
  }
  owner(const owner&) = delete;
  owner& operator=(const owner&) = delete;

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  void reset() noexcept {
    if (handle_ != Handle{}) static_cast<void>(Free(handle_));
    handle_ = Handle{};
  }

 private:
  Handle handle_{};
};

using stream_owner = owner<cudaStream_t, cudaStreamDestroy>;
using event_owner = owner<cudaEvent_t, cudaEventDestroy>;
using graph_owner = owner<cudaGraph_t, cudaGraphDestroy>;
using graph_exec_owner = owner<cudaGraphExec_t, cudaGraphExecDestroy>;

// Work on it waits for no other stream's.
stream_owner make_stream();
enum class event_timing : bool { none, measured };
event_owner make_event(event_timing timing = event_timing::none);
void record(const event_owner& event, cudaStream_t stream);
// What is enqueued on `stream` from here on waits for the event.
void wait_for(cudaStream_t stream, const event_owner& event);
// Whether everything before the event is done; throws what went wrong there.
bool is_done(const event_owner& event);
// Only of events with event_timing::measured that are done.
double milliseconds_between(const event_owner& start, const event_owner& end);

// Memory of the device, or of the host where copies need no detour (pinned).
template <auto Free>
class memory_owner {
 public:
  memory_owner() = default;
  memory_owner(void* data, std::size_t size) : data_(data), size_(size) {}
  std::byte* data() const { return static_cast<std::byte*>(data_.get()); }
  std::size_t size() const { return size_; }  // bytes
  template <class T>
  T* as() const {
    return static_cast<T*>(data_.get());
  }

 private:
  owner<void*, Free> data_;
  std::size_t size_ = 0;
};
using device_buffer = memory_owner<cudaFree>;
using pinned_buffer = memory_owner<cudaFreeHost>;

// Not filled. 0 bytes give an empty owner.
device_buffer make_device_buffer(std::size_t num_bytes);
pinned_buffer make_pinned_buffer(std::size_t num_bytes);

void fill_zero(void* target, std::size_t num_bytes, cudaStream_t stream);
void copy_to_device(void* target, const void* source, std::size_t num_bytes, cudaStream_t stream);
void copy_to_host(void* target, const void* source, std::size_t num_bytes, cudaStream_t stream);
void copy_on_device(void* target, const void* source, std::size_t num_bytes, cudaStream_t stream);
// Until everything on the stream is done.
void synchronize(cudaStream_t stream);

}  // namespace troupe::cuda
