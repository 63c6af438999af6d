// NCCL among the threads of this process. A collective operation runs on each rank's stream and
// waits there until all ranks have come, or until the rank's own communicator is aborted: what an
// abort does to the others is as little as NCCL does.
#include <nccl.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/numeric.hpp"
#include "cuda/nccl_api.hpp"
#include "fake_cuda.hpp"

using troupe::bfloat16;
using troupe::fake_cuda::fails;

namespace {

// Ranks come together and go on together; so often that a rank may be one meeting ahead.
struct group {
  explicit group(int size) : num_ranks(size), sources(static_cast<std::size_t>(size)) {}
  const int num_ranks;
  std::atomic<int> num_joined{0};
  std::vector<const void*> sources;
  std::atomic<std::uint64_t> num_arrivals{0};
};

std::mutex groups_lock;
std::map<std::string, std::shared_ptr<group>> groups;

}  // namespace

// What outlives the communicator, since its operations may.
struct rank_state {
  std::shared_ptr<group> home;
  int rank = 0;
  std::atomic<bool> is_aborted{false};
  std::uint64_t num_meetings = 0;  // of the stream's thread

  bool meet() {
    const auto wanted = ++num_meetings * static_cast<std::uint64_t>(home->num_ranks);
    ++home->num_arrivals;
    while (home->num_arrivals < wanted) {
      if (is_aborted) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return true;
  }
};

struct ncclComm {
  std::shared_ptr<rank_state> state;
};

namespace {

template <class Work>
ncclResult_t collective(const char* call, ncclComm_t comm, const void* source, cudaStream_t stream,
                        const Work& work) {
  if (fails(call, cudaSuccess)) return ncclInternalError;
  troupe::fake_cuda::enqueue(stream, [state = comm->state, source, work] {
    group& home = *state->home;
    home.sources[static_cast<std::size_t>(state->rank)] = source;
    if (!state->meet()) return;
    auto finish = work(home);
    if (!state->meet()) return;
    finish();
    troupe::fake_cuda::note_collective();
    // Nobody offers the next source before everybody has read this one.
    static_cast<void>(state->meet());
  });
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = 22800;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (fails("ncclGetUniqueId", cudaSuccess)) return ncclSystemError;
  static std::atomic<int> next{0};
  *id = {};
  std::strcpy(id->internal, std::to_string(++next).c_str());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (fails("ncclCommInitRankConfig", cudaSuccess)) return ncclSystemError;
  if (config->blocking != 0) return ncclInternalError;  // a missing rank could not be left
  const std::lock_guard hold(groups_lock);
  auto& home = groups[id.internal];
  if (home == nullptr) home = std::make_shared<group>(size);
  *comm = new ncclComm{std::make_shared<rank_state>()};
  (*comm)->state->home = home;
  (*comm)->state->rank = rank;
  ++home->num_joined;
  troupe::fake_cuda::note_object(1);
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  if (fails("ncclCommGetAsyncError", cudaSuccess)) return ncclRemoteError;
  const group& home = *comm->state->home;
  *state = home.num_joined < home.num_ranks ? ncclInProgress : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  comm->state->is_aborted = true;
  delete comm;
  troupe::fake_cuda::note_object(-1);
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) { return ncclCommAbort(comm); }

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclBfloat16) return ncclInternalError;
  return collective("ncclAllReduce", comm, from, stream, [=](const group& home) {
    std::vector<bfloat16> sums(count);
    for (std::size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (const void* source : home.sources) {
        sum += to_float(static_cast<const bfloat16*>(source)[i]);
      }
      sums[i] = troupe::to_bfloat16(sum);
    }
    return [=] { std::memcpy(to, sums.data(), count * sizeof(bfloat16)); };
  });
}

ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclUint8) return ncclInternalError;
  return collective("ncclAllGather", comm, from, stream, [=](const group& home) {
    for (std::size_t r = 0; r < home.sources.size(); ++r) {
      std::memcpy(static_cast<std::byte*>(to) + r * count, home.sources[r], count);
    }
    return [] {};
  });
}

ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclUint8) return ncclInternalError;
  return collective("ncclBroadcast", comm, from, stream, [=](const group& home) {
    const void* source = home.sources[static_cast<std::size_t>(root)];
    if (source != to) std::memcpy(to, source, count);
    return [] {};
  });
}

const char* ncclGetErrorString(ncclResult_t) { return "error of the fake"; }

}  // extern "C"

namespace troupe::cuda {

const nccl_api& load_nccl() {
  static const nccl_api api{ncclGetVersion,        ncclGetUniqueId, ncclCommInitRankConfig,
                            ncclCommGetAsyncError, ncclCommAbort,   ncclCommDestroy,
                            ncclAllReduce,         ncclAllGather,   ncclBroadcast,
                            ncclGetErrorString};
  return api;
}

}  // namespace troupe::cuda
