#include <atomic>

#include "cuda/gpu_communicator.hpp"
#include "cuda/owners.hpp"

namespace troupe::cuda {
namespace {

class single : public gpu_communicator {
 public:
  std::uint32_t rank() const override { return 0; }
  std::uint32_t size() const override { return 1; }
  void abort() noexcept override { aborted_ = true; }
  void all_reduce(bf16*, std::uint64_t, cuda_stream) override {}
  void all_gather(const void* mine, std::size_t num_bytes, void* all, cuda_stream stream) override {
    if (mine != all) copy_on_device(all, mine, num_bytes, stream);
  }
  void broadcast(void*, std::size_t, cuda_stream) override {}
  bool can_be_captured() const override { return true; }
  void check() override {
    if (aborted_) throw device_error("The communicator was aborted.");
  }

 private:
  std::atomic<bool> aborted_{false};
};

}  // namespace

std::unique_ptr<gpu_communicator> make_single_communicator() { return std::make_unique<single>(); }

}  // namespace troupe::cuda
