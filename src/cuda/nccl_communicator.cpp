// One rank of a group over NCCL. The communicator does not block the host: whoever drives the rank
// asks check() while it waits, and that is where an abort from another thread, a peer's failure and
// a rank that never came are acted on. All calls of NCCL are the driving thread's.
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "cuda/gpu_communicator.hpp"
#include "cuda/nccl_api.hpp"
#include "cuda/owners.hpp"

namespace troupe::cuda {
namespace {

class nccl_rank : public gpu_communicator {
 public:
  nccl_rank(const nccl_options& options, std::uint32_t timeout_ms)
      : api_(load_nccl()), options_(options) {
    try {
      join(timeout_ms);
    } catch (...) {
      abort();  // the others wait for this one
      drop();
      throw;
    }
  }

  ~nccl_rank() override { drop(); }

  std::uint32_t rank() const override { return options_.rank; }
  std::uint32_t size() const override { return options_.size; }
  void abort() noexcept override { *options_.is_aborted = true; }

  void all_reduce(bf16* x, std::uint64_t count, cuda_stream stream) override {
    if (options_.rank_order) return add_in_rank_order(x, count, stream);
    enqueue(api_.all_reduce(x, x, count, ncclBfloat16, ncclSum, comm(), stream), "ncclAllReduce");
  }

  void all_gather(const void* mine, std::size_t num_bytes, void* all, cuda_stream stream) override {
    enqueue(api_.all_gather(mine, all, num_bytes, ncclUint8, comm(), stream), "ncclAllGather");
  }

  void broadcast(void* data, std::size_t num_bytes, cuda_stream stream) override {
    enqueue(api_.broadcast(data, data, num_bytes, ncclUint8, 0, comm(), stream), "ncclBroadcast");
  }

  bool can_be_captured() const override { return true; }

  void check() override {
    if (comm_ == nullptr) throw device_error("The communicator was aborted.");
    if (*options_.is_aborted) fail("A rank failed or was told to stop; the step has no result.");
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = api_.get_async_error(comm_, &state);
    if (asked != ncclSuccess) state = asked;
    if (state == ncclSuccess || state == ncclInProgress) return;
    fail(std::string("NCCL: ") + api_.get_error_string(state) + ".");
  }

 private:
  void join(std::uint32_t timeout_ms) {
    use_gpu(options_.device_index);
    if (options_.rank_order) {
      gathered_ = make_device_buffer(options_.size * options_.max_elements * sizeof(bf16));
    }
    ncclUniqueId id;
    static_assert(sizeof id == sizeof options_.group);
    std::memcpy(&id, options_.group.data(), sizeof id);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const auto size = static_cast<int>(options_.size);
    check_nccl(api_.init_rank(&comm_, size, id, static_cast<int>(options_.rank), &config),
               "ncclCommInitRankConfig");
    wait_until_settled(timeout_ms);
  }

  void add_in_rank_order(bf16* x, std::uint64_t count, cuda_stream stream) {
    if (count > options_.max_elements) throw device_error("A sum is longer than was planned.");
    auto* parts = gathered_.as<bf16>();
    all_gather(x, count * sizeof(bf16), parts, stream);
    sum_ranks_args args{.num_ranks = size(), .count = count};
    for (std::uint32_t r = 0; r < size(); ++r) args.ranks[r] = parts + r * count;
    check_launch(sum_ranks(args, stream), "sum_ranks");
    copy_on_device(x, parts, count * sizeof(bf16), stream);
  }

  ncclComm_t comm() const {
    if (comm_ == nullptr) throw device_error("The communicator was aborted.");
    return comm_;
  }

  // An operation that is in progress needs nothing but time; while it settles a peer may fail.
  void enqueue(ncclResult_t result, const char* call) {
    check_nccl(result, call);
    if (result == ncclInProgress) wait_until_settled(settle_ms);
  }

  void wait_until_settled(std::uint32_t timeout_ms) {
    using clock = std::chrono::steady_clock;
    const auto deadline = clock::now() + std::chrono::milliseconds(timeout_ms);
    ncclResult_t state = ncclInProgress;
    while (true) {
      check_nccl(api_.get_async_error(comm_, &state), "ncclCommGetAsyncError");
      check();
      if (state != ncclInProgress) return;
      if (clock::now() > deadline) fail("The other ranks did not come in time.");
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  [[noreturn]] void fail(const std::string& why) {
    drop();
    throw device_error(why);
  }

  // Ends what is in flight, too: a collective whose peer is gone would run for ever.
  void drop() noexcept {
    if (comm_ != nullptr) static_cast<void>(api_.abort(comm_));
    comm_ = nullptr;
  }

  static constexpr std::uint32_t settle_ms = 60'000;
  const nccl_api& api_;
  nccl_options options_;
  ncclComm_t comm_ = nullptr;
  device_buffer gathered_;  // [size, max_elements], only with rank_order
};

}  // namespace

void check_nccl(ncclResult_t status, const char* call) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw device_error(std::string(call) + ": " + load_nccl().get_error_string(status) + " (" +
                     std::to_string(static_cast<int>(status)) + ").");
}

group_id make_group_id() {
  ncclUniqueId id;
  check_nccl(load_nccl().get_unique_id(&id), "ncclGetUniqueId");
  group_id out;
  std::memcpy(out.data(), &id, sizeof id);
  return out;
}

std::unique_ptr<gpu_communicator> make_nccl_communicator(const nccl_options& options,
                                                         std::uint32_t timeout_ms) {
  return std::make_unique<nccl_rank>(options, timeout_ms);
}

}  // namespace troupe::cuda
