// A CUDA runtime, cuBLASLt and NCCL in plain C++, for tests on machines without a GPU. It defines
// the functions of their headers, so a test links it instead of theirs, and runs kernels as the
// emulator in tests/simt does.
//
// Streams are threads that begin only when somebody asks whether they are done: what the host does
// too early or forgets to wait for shows. Fresh memory is filled with NaNs. What is not allowed
// while a stream is captured fails as on a GPU.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace troupe::fake_cuda {

// The machine: how many GPUs there are, and how large the memory of each is. 0: no driver.
void set_gpus(int count, std::size_t bytes_each = std::size_t{1} << 30U);

// Of each of them, 10 * major + minor; 90 at first.
void set_compute_capability(int capability);

// Whether they can reach each other's memory; not at first. None does yet, from here on.
void set_peer_access(bool is_possible);

// From here on kernels go through streams; without it the emulator runs them at once.
void use_emulator();

// Memory, streams, events, graphs, handles and communicators that were made and not freed.
std::size_t num_live_objects();
// Most bytes of one GPU that were allocated at once since set_gpus().
std::size_t peak_device_bytes();

// From here on counts calls that can fail; the n-th one (from 0) fails. Calls that free never do.
void fail_call(std::uint64_t n);
void fail_nothing();
// The same for `count` calls of one name, behind the first `skipped` ones.
void fail_calls_of(const std::string& name, std::uint64_t count, std::uint64_t skipped = 0);
// The names of the calls since fail_call or fail_nothing; and which one failed, empty if none did.
std::vector<std::string> calls();
std::string failed_call();

// Kernels, multiplications and collective operations that ran since the last reset_counts().
struct counts {
  std::uint64_t kernels = 0;
  std::uint64_t matmuls = 0;
  std::uint64_t collectives = 0;
  std::uint64_t graph_launches = 0;
  std::uint64_t graph_instantiations = 0;
};
counts count();
void reset_counts();

// For the other files of the fake.
// True if this call is the one that fails; leaves `error` where cudaGetLastError finds it.
bool fails(const char* call, cudaError_t error);
// Runs on the stream, or becomes part of the graph that is captured.
void enqueue(cudaStream_t stream, std::function<void()> work);
bool is_capturing();
// Until its streams have done what they were told.
void wait_for_device(int device);
void note_object(int change);
void note_kernel();
void note_matmul();
void note_collective();
// From a thread that waits inside of an enqueued work: the peers may run meanwhile.
void kick_all_streams();

}  // namespace troupe::fake_cuda
