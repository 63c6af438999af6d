// Ranks of one process on GPUs that reach each other's memory. Sums of few rows are one kernel on
// each GPU, which waits for its peers by flags in their memory; everything else is left to another
// communicator. No kernel waits for a peer that never comes: each looks at a word in the host's
// memory that says whether the group was abandoned.
#include <algorithm>
#include <atomic>
#include <utility>

#include "cuda/gpu_communicator.hpp"
#include "cuda/owners.hpp"
#include "cuda/peer_access.hpp"

namespace troupe::cuda {
namespace {

// What the ranks of a group share. It lives until the last of them is gone: a peer may still read
// the memory of a rank that has its sum.
class peer_group {
 public:
  peer_group(std::uint32_t size, const peer_sums& sums)
      : staging_elements_(std::min(sums.max_elements, longest_sum(sums.width))),
        width_(sums.width),
        abandoned_(make_pinned_buffer(sizeof(std::uint32_t))),
        ranks_(size) {
    *abandoned_.as<std::uint32_t>() = 0;
    for (std::uint32_t r = 0; r < size; ++r) make_memory(r);
  }

  bool can_add(std::uint64_t count) const {
    return count <= staging_elements_ && count % width_ == 0;
  }
  peer_all_reduce_args args(std::uint32_t rank, bf16* x, std::uint64_t count) const {
    return {.peers = memory_,
            .num_ranks = static_cast<std::uint32_t>(ranks_.size()),
            .rank = rank,
            .epochs = ranks_[rank].epochs.as<std::uint32_t>(),
            .staging_elements = staging_elements_,
            .abandoned = abandoned_.as<std::uint32_t>(),
            .x = x,
            .addend = x,
            .num_rows = static_cast<std::uint32_t>(count / width_),
            .width = width_};
  }

  void abandon() const noexcept { word().store(1); }
  bool is_abandoned() const noexcept { return word().load() != 0; }

 private:
  struct rank_memory {
    device_buffer staging;
    device_buffer arrivals;
    device_buffer epochs;
  };

  static std::uint64_t longest_sum(std::uint32_t width) {
    return two_shot_bytes / sizeof(bf16) / width * width;
  }

  void make_memory(std::uint32_t r) {
    use_gpu(static_cast<int>(r));
    const stream_owner stream = make_stream();
    rank_memory& mine = ranks_[r];
    mine.staging = make_device_buffer(2 * staging_elements_ * sizeof(bf16));
    mine.arrivals = make_device_buffer(max_ranks * max_peer_blocks * sizeof(std::uint32_t));
    mine.epochs = make_device_buffer(max_peer_blocks * sizeof(std::uint32_t));
    fill_zero(mine.arrivals.data(), mine.arrivals.size(), stream.get());
    fill_zero(mine.epochs.data(), mine.epochs.size(), stream.get());
    synchronize(stream.get());
    memory_.staging[r] = mine.staging.as<bf16>();
    memory_.arrivals[r] = mine.arrivals.as<std::uint32_t>();
  }

  std::atomic_ref<std::uint32_t> word() const noexcept {
    return std::atomic_ref<std::uint32_t>(*abandoned_.as<std::uint32_t>());
  }

  std::uint64_t staging_elements_;
  std::uint32_t width_;
  pinned_buffer abandoned_;
  std::vector<rank_memory> ranks_;
  peer_memory memory_;
};

class peer_rank : public gpu_communicator {
 public:
  peer_rank(std::shared_ptr<const peer_group> group, std::unique_ptr<gpu_communicator> others)
      : group_(std::move(group)), rank_(others->rank()), others_(std::move(others)) {}

  // What this rank has enqueued ends before the group's memory is given back.
  ~peer_rank() override {
    group_->abandon();
    others_.reset();
    if (cudaSetDevice(static_cast<int>(rank_)) == cudaSuccess) {
      static_cast<void>(cudaDeviceSynchronize());
    }
  }

  std::uint32_t rank() const override { return rank_; }
  std::uint32_t size() const override { return others_->size(); }
  void abort() noexcept override {
    group_->abandon();
    others_->abort();
  }

  void all_reduce(bf16* x, std::uint64_t count, cuda_stream stream) override {
    if (!group_->can_add(count)) return others_->all_reduce(x, count, stream);
    check_launch(peer_all_reduce(group_->args(rank_, x, count), stream), "peer_all_reduce");
  }

  void all_gather(const void* mine, std::size_t num_bytes, void* all, cuda_stream stream) override {
    others_->all_gather(mine, num_bytes, all, stream);
  }

  void broadcast(void* data, std::size_t num_bytes, cuda_stream stream) override {
    others_->broadcast(data, num_bytes, stream);
  }

  bool can_be_captured() const override { return others_->can_be_captured(); }

  void check() override {
    // Those end what they have under way, too, and say why.
    if (group_->is_abandoned()) others_->abort();
    others_->check();
  }

 private:
  std::shared_ptr<const peer_group> group_;
  std::uint32_t rank_;
  std::unique_ptr<gpu_communicator> others_;
};

}  // namespace

std::vector<std::unique_ptr<gpu_communicator>> make_peer_communicators(
    std::vector<std::unique_ptr<gpu_communicator>> others, const peer_sums& sums) {
  const auto size = static_cast<std::uint32_t>(others.size());
  if (sums.width > max_peer_width || !open_peer_access(size)) return others;
  const auto group = std::make_shared<const peer_group>(size, sums);
  std::vector<std::unique_ptr<gpu_communicator>> ranks;
  for (auto& other : others) ranks.push_back(std::make_unique<peer_rank>(group, std::move(other)));
  return ranks;
}

}  // namespace troupe::cuda
