// Memory, devices and errors.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "fake_cuda.hpp"

namespace troupe::fake_cuda {
namespace {

struct machine {
  std::mutex lock;
  int num_gpus = 1;
  int capability = 90;
  bool has_peer_access = false;
  std::set<std::pair<int, int>> open_access;  // from, to
  std::size_t bytes_each = std::size_t{1} << 30U;
  std::map<void*, std::pair<std::size_t, int>> device_memory;  // size, device
  std::map<void*, std::size_t> pinned_memory;
  std::map<int, std::size_t> used;
  std::size_t peak = 0;
  std::vector<std::string> calls;
  std::uint64_t failing_call = ~0ULL;
  std::string failing_name;
  std::uint64_t first_failing = 0;  // of that name
  std::uint64_t num_failing = 0;
  std::uint64_t num_named = 0;
  std::string failed;
};

machine& the_machine() {
  static machine one;
  return one;
}

std::atomic<std::int64_t> live_objects{0};
std::atomic<std::uint64_t> num_kernels{0};
std::atomic<std::uint64_t> num_matmuls{0};
std::atomic<std::uint64_t> num_collectives{0};
thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t failed_with(cudaError_t error) { return last_error = error; }

void* aligned(std::size_t size) {
  void* data = std::aligned_alloc(256, (size + 255) / 256 * 256);
  if (data != nullptr) std::memset(data, 0xFF, size);
  return data;
}

}  // namespace

void set_gpus(int count, std::size_t bytes_each) {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  m.num_gpus = count;
  m.bytes_each = bytes_each;
  m.peak = 0;
}

void set_compute_capability(int capability) { the_machine().capability = capability; }

void set_peer_access(bool is_possible) {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  m.has_peer_access = is_possible;
  m.open_access.clear();
}

std::size_t num_live_objects() {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  return static_cast<std::size_t>(live_objects.load()) + m.device_memory.size() +
         m.pinned_memory.size();
}

std::size_t peak_device_bytes() {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  return m.peak;
}

void fail_call(std::uint64_t n) {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  m.calls.clear();
  m.failing_call = n;
  m.failing_name.clear();
  m.failed.clear();
}

void fail_calls_of(const std::string& name, std::uint64_t count, std::uint64_t skipped) {
  fail_nothing();
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  m.failing_name = name;
  m.first_failing = skipped;
  m.num_failing = count;
  m.num_named = 0;
}

void fail_nothing() { fail_call(~0ULL); }

std::vector<std::string> calls() {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  return m.calls;
}

std::string failed_call() {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  return m.failed;
}

bool fails(const char* call, cudaError_t error) {
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  m.calls.emplace_back(call);
  bool is_failing = m.calls.size() - 1 == m.failing_call;
  if (call == m.failing_name) {
    const std::uint64_t n = m.num_named++;
    is_failing = n >= m.first_failing && n - m.first_failing < m.num_failing;
  }
  if (!is_failing) return false;
  m.failed = call;
  last_error = error;
  return true;
}

void note_object(int change) { live_objects += change; }
void note_kernel() { ++num_kernels; }
void note_matmul() { ++num_matmuls; }
void note_collective() { ++num_collectives; }

counts count_work() { return {num_kernels, num_matmuls, num_collectives, 0, 0}; }
void reset_work() { num_kernels = num_matmuls = num_collectives = 0; }

}  // namespace troupe::fake_cuda

using namespace troupe::fake_cuda;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  if (fails("cudaGetDeviceCount", cudaErrorInsufficientDriver)) return cudaErrorInsufficientDriver;
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  if (m.num_gpus == 0) return failed_with(cudaErrorInsufficientDriver);
  *count = m.num_gpus;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (fails("cudaSetDevice", cudaErrorDevicesUnavailable)) return cudaErrorDevicesUnavailable;
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  if (device < 0 || device >= m.num_gpus) return failed_with(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  if (fails("cudaGetDeviceProperties", cudaErrorUnknown)) return cudaErrorUnknown;
  std::memset(static_cast<void*>(properties), 0, sizeof *properties);
  std::strcpy(properties->name, "emulated GPU");
  properties->major = the_machine().capability / 10;
  properties->minor = the_machine().capability % 10;
  properties->multiProcessorCount = 4;
  properties->totalGlobalMem = the_machine().bytes_each;
  return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int* can, int from, int to) {
  if (fails("cudaDeviceCanAccessPeer", cudaErrorUnknown)) return cudaErrorUnknown;
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  if (from < 0 || to < 0 || from >= m.num_gpus || to >= m.num_gpus) {
    return failed_with(cudaErrorInvalidDevice);
  }
  *can = m.has_peer_access && from != to ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  if (fails("cudaDeviceEnablePeerAccess", cudaErrorUnknown)) return cudaErrorUnknown;
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  if (!m.has_peer_access) return failed_with(cudaErrorPeerAccessUnsupported);
  const bool is_new = m.open_access.emplace(current_device, peer).second;
  return is_new ? cudaSuccess : failed_with(cudaErrorPeerAccessAlreadyEnabled);
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  if (fails("cudaMemGetInfo", cudaErrorUnknown)) return cudaErrorUnknown;
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  *total = m.bytes_each;
  *free = m.bytes_each - m.used[current_device];
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** target, std::size_t size) {
  if (fails("cudaMalloc", cudaErrorMemoryAllocation)) return cudaErrorMemoryAllocation;
  if (is_capturing()) return failed_with(cudaErrorStreamCaptureUnsupported);
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  std::size_t& used = m.used[current_device];
  if (used + size > m.bytes_each) return failed_with(cudaErrorMemoryAllocation);
  *target = aligned(size);
  if (*target == nullptr) return failed_with(cudaErrorMemoryAllocation);
  used += size;
  m.peak = std::max(m.peak, used);
  m.device_memory[*target] = {size, current_device};
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  if (data == nullptr) return cudaSuccess;
  machine& m = the_machine();
  std::unique_lock hold(m.lock);
  if (!m.device_memory.contains(data)) return failed_with(cudaErrorInvalidValue);
  const int device = m.device_memory.at(data).second;
  hold.unlock();
  wait_for_device(device);  // as on a GPU
  hold.lock();
  const auto found = m.device_memory.find(data);
  m.used[found->second.second] -= found->second.first;
  m.device_memory.erase(found);
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** target, std::size_t size, unsigned) {
  if (fails("cudaHostAlloc", cudaErrorMemoryAllocation)) return cudaErrorMemoryAllocation;
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  *target = aligned(size);
  if (*target == nullptr) return failed_with(cudaErrorMemoryAllocation);
  m.pinned_memory[*target] = size;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* data) {
  if (data == nullptr) return cudaSuccess;
  cudaDeviceSynchronize();
  machine& m = the_machine();
  const std::lock_guard hold(m.lock);
  if (m.pinned_memory.erase(data) == 0) return failed_with(cudaErrorInvalidValue);
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* target, int value, std::size_t size, cudaStream_t stream) {
  if (fails("cudaMemsetAsync", cudaErrorInvalidValue)) return cudaErrorInvalidValue;
  enqueue(stream, [=] { std::memset(target, value, size); });
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t size, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (fails("cudaMemcpyAsync", cudaErrorInvalidValue)) return cudaErrorInvalidValue;
  machine& m = the_machine();
  bool is_pinned = kind == cudaMemcpyDeviceToDevice;
  {
    const std::lock_guard hold(m.lock);
    const void* host = kind == cudaMemcpyHostToDevice ? source : target;
    const auto after = m.pinned_memory.upper_bound(const_cast<void*>(host));
    if (after != m.pinned_memory.begin()) {
      const auto& [data, bytes] = *std::prev(after);
      is_pinned = is_pinned || (static_cast<const std::byte*>(host) + size <=
                                static_cast<std::byte*>(data) + bytes);
    }
  }
  if (is_pinned) {
    enqueue(stream, [=] { std::memcpy(target, source, size); });
    return cudaSuccess;
  }
  // Pageable memory has been read, or written, when the call returns.
  if (is_capturing()) return failed_with(cudaErrorStreamCaptureUnsupported);
  if (kind == cudaMemcpyHostToDevice) {
    auto copy = std::string(static_cast<const char*>(source), size);
    enqueue(stream, [=] { std::memcpy(target, copy.data(), size); });
    return cudaSuccess;
  }
  enqueue(stream, [=] { std::memcpy(target, source, size); });
  return cudaStreamSynchronize(stream);
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "no driver";
    default: return "error of the fake";
  }
}

const char* cudaGetErrorName(cudaError_t) { return "cudaErrorFake"; }

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

}  // extern "C"
