// The functions of NCCL that we call, loaded when several ranks are asked for: one rank runs
// without the library.
#pragma once
#include <nccl.h>

namespace troupe::cuda {

struct nccl_api {
  decltype(ncclGetVersion)* get_version = nullptr;
  decltype(ncclGetUniqueId)* get_unique_id = nullptr;
  decltype(ncclCommInitRankConfig)* init_rank = nullptr;
  decltype(ncclCommGetAsyncError)* get_async_error = nullptr;
  decltype(ncclCommAbort)* abort = nullptr;
  decltype(ncclCommDestroy)* destroy = nullptr;
  decltype(ncclAllReduce)* all_reduce = nullptr;
  decltype(ncclAllGather)* all_gather = nullptr;
  decltype(ncclBroadcast)* broadcast = nullptr;
  decltype(ncclGetErrorString)* get_error_string = nullptr;
};

// Loads it at the first call. Throws device_error if it cannot be loaded, at this and later calls.
const nccl_api& load_nccl();

// Throws device_error, such as "ncclAllReduce: remote process exited (6).". ncclInProgress is no
// error.
void check_nccl(ncclResult_t status, const char* call);

}  // namespace troupe::cuda
