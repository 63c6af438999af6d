#include "cuda/owners.hpp"

namespace troupe::cuda {

stream_owner make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream_owner(stream);
}

event_owner make_event(event_timing timing) {
  cudaEvent_t event = nullptr;
  const unsigned flags =
      timing == event_timing::measured ? cudaEventDefault : cudaEventDisableTiming;
  check_cuda(cudaEventCreateWithFlags(&event, flags), "cudaEventCreate");
  return event_owner(event);
}

void record(const event_owner& event, cudaStream_t stream) {
  check_cuda(cudaEventRecord(event.get(), stream), "cudaEventRecord");
}

void wait_for(cudaStream_t stream, const event_owner& event) {
  check_cuda(cudaStreamWaitEvent(stream, event.get(), 0), "cudaStreamWaitEvent");
}

bool is_done(const event_owner& event) {
  const cudaError_t status = cudaEventQuery(event.get());
  if (status == cudaErrorNotReady) return false;
  check_cuda(status, "cudaEventQuery");
  return true;
}

double milliseconds_between(const event_owner& start, const event_owner& end) {
  float out = 0;
  check_cuda(cudaEventElapsedTime(&out, start.get(), end.get()), "cudaEventElapsedTime");
  return out;
}

device_buffer make_device_buffer(std::size_t num_bytes) {
  void* data = nullptr;
  if (num_bytes > 0) check_cuda(cudaMalloc(&data, num_bytes), "cudaMalloc");
  return {data, num_bytes};
}

pinned_buffer make_pinned_buffer(std::size_t num_bytes) {
  void* data = nullptr;
  if (num_bytes > 0) {
    check_cuda(cudaHostAlloc(&data, num_bytes, cudaHostAllocPortable), "cudaHostAlloc");
  }
  return {data, num_bytes};
}

void fill_zero(void* target, std::size_t num_bytes, cudaStream_t stream) {
  check_cuda(cudaMemsetAsync(target, 0, num_bytes, stream), "cudaMemsetAsync");
}

void copy_to_device(void* target, const void* source, std::size_t num_bytes, cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(target, source, num_bytes, cudaMemcpyHostToDevice, stream),
             "cudaMemcpyAsync to the device");
}

void copy_to_host(void* target, const void* source, std::size_t num_bytes, cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(target, source, num_bytes, cudaMemcpyDeviceToHost, stream),
             "cudaMemcpyAsync to the host");
}

void copy_on_device(void* target, const void* source, std::size_t num_bytes, cudaStream_t stream) {
  check_cuda(cudaMemcpyAsync(target, source, num_bytes, cudaMemcpyDeviceToDevice, stream),
             "cudaMemcpyAsync on the device");
}

void synchronize(cudaStream_t stream) {
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

}  // namespace troupe::cuda
