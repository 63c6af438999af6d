#include "cuda/nccl_api.hpp"

#include "cuda/shared_library.hpp"

namespace troupe::cuda {
namespace {

nccl_api load() {
  const shared_library library("NCCL", {"libnccl.so.2", "libnccl.so"});
  nccl_api api;
  library.find("ncclGetVersion", api.get_version);
  library.find("ncclGetUniqueId", api.get_unique_id);
  library.find("ncclCommInitRankConfig", api.init_rank);
  library.find("ncclCommGetAsyncError", api.get_async_error);
  library.find("ncclCommAbort", api.abort);
  library.find("ncclCommDestroy", api.destroy);
  library.find("ncclAllReduce", api.all_reduce);
  library.find("ncclAllGather", api.all_gather);
  library.find("ncclBroadcast", api.broadcast);
  library.find("ncclGetErrorString", api.get_error_string);
  return api;
}

}  // namespace

const nccl_api& load_nccl() {
  static const nccl_api api = load();
  return api;
}

}  // namespace troupe::cuda
