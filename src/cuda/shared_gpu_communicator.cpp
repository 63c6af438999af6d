// Ranks on one device. The threads tell each other, at a meeting of the host's ranks, which memory
// and which event theirs is; the streams then wait for each other's events, so no kernel spins.
#include "cuda/gpu_communicator.hpp"
#include "cuda/owners.hpp"

namespace troupe::cuda {
namespace {

class shared_gpu : public gpu_communicator {
 public:
  explicit shared_gpu(std::unique_ptr<host_communicator> host)
      : host_(std::move(host)), offers_(host_->size()) {}

  std::uint32_t rank() const override { return host_->rank(); }
  std::uint32_t size() const override { return host_->size(); }
  void abort() noexcept override { host_->abort(); }

  // Rank 0's stream adds, the others' wait for it.
  void all_reduce(bf16* x, std::uint64_t count, cuda_stream stream) override {
    meet(x, stream);
    if (rank() == 0) {
      sum_ranks_args args{.num_ranks = size(), .count = count};
      for (std::uint32_t r = 0; r < size(); ++r) {
        wait_for_offer(r, stream);
        args.ranks[r] = static_cast<bf16*>(offers_[r].data);
      }
      check_launch(sum_ranks(args, stream), "sum_ranks");
    }
    part(stream);
    if (rank() != 0) wait_for_end(0, stream);
  }

  void all_gather(const void* mine, std::size_t num_bytes, void* all, cuda_stream stream) override {
    meet(const_cast<void*>(mine), stream);
    for (std::uint32_t r = 0; r < size(); ++r) {
      wait_for_offer(r, stream);
      copy_on_device(static_cast<std::byte*>(all) + r * num_bytes, offers_[r].data, num_bytes,
                     stream);
    }
    part(stream);
    for (std::uint32_t r = 0; r < size(); ++r) wait_for_end(r, stream);
  }

  void broadcast(void* data, std::size_t num_bytes, cuda_stream stream) override {
    meet(data, stream);
    if (rank() != 0) {
      wait_for_offer(0, stream);
      copy_on_device(data, offers_[0].data, num_bytes, stream);
    }
    part(stream);
    if (rank() != 0) return;
    for (std::uint32_t r = 1; r < size(); ++r) wait_for_end(r, stream);
  }

  // A meeting on the host lies in the middle of every operation.
  bool can_be_captured() const override { return false; }
  void check() override {}

 private:
  struct offer {
    void* data = nullptr;
    const event_owner* ready = nullptr;
    const event_owner* done = nullptr;
  };

  // From here on every rank knows every rank's memory; it may be used behind its event.
  void meet(void* data, cuda_stream stream) {
    if (!ready_) {  // here, where the device is current
      ready_ = make_event();
      done_ = make_event();
    }
    record(ready_, stream);
    const offer mine{data, &ready_, &done_};
    host_->all_gather(&mine, sizeof mine, offers_.data());
  }
  // What this rank did with the others' memory is behind its second event.
  void part(cuda_stream stream) {
    record(done_, stream);
    host_->barrier();
  }
  void wait_for_offer(std::uint32_t r, cuda_stream stream) const {
    if (r != rank()) wait_for(stream, *offers_[r].ready);
  }
  void wait_for_end(std::uint32_t r, cuda_stream stream) const {
    if (r != rank()) wait_for(stream, *offers_[r].done);
  }

  std::unique_ptr<host_communicator> host_;
  std::vector<offer> offers_;  // [size]
  event_owner ready_;
  event_owner done_;
};

}  // namespace

std::vector<std::unique_ptr<gpu_communicator>> make_shared_gpu_communicators(std::uint32_t size) {
  std::vector<std::unique_ptr<gpu_communicator>> ranks;
  for (auto& host : make_host_communicators(size)) {
    ranks.push_back(std::make_unique<shared_gpu>(std::move(host)));
  }
  return ranks;
}

}  // namespace troupe::cuda
