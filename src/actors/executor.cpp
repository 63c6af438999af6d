#include "actors/executor.hpp"

#include <chrono>
#include <exception>
#include <utility>

namespace troupe {
namespace {

class executor_actor : public executor::base {
 public:
  executor_actor(caf::actor_config& config, std::shared_ptr<runner> device, std::uint32_t rank)
      : executor::base(config), device_(std::move(device)), rank_(rank) {}

  const char* name() const override { return "executor"; }
  void on_exit() override {
    device_.reset();
    step_ = {};
  }

  behavior_type make_behavior() override {
    return {
        [this](const run_step& ask) { compute(ask); },
        [this](const step_masks& promised) { choose(promised.masks); },
        [this](const beat&) {
          heartbeat here{.num_messages = mailbox().size()};
          if (step_.batch) look_for_masks();
          return here;
        },
    };
  }

 private:
  void compute(const run_step& ask) {
    step_ = ask;
    seconds_ = 0;
    is_waiting_ = false;
    if (!perform([this] { device_->compute(*step_.batch); })) return;
    if (num_promised_masks(*step_.batch) == 0)
      choose({});
    else
      look_for_masks();
  }

  void choose(std::span<const token_mask_ptr> promised) {
    step_result result;
    if (!perform([&] { result = device_->choose(promised); })) return;
    if (rank_ == 0) send(step_.listener, step_done{std::move(result), seconds_});
    step_ = {};
  }

  // Whatever lies in the mailbox may be the masks.
  void look_for_masks() {
    if (rank_ != 0 || is_waiting_ || !mailbox().empty()) return;
    is_waiting_ = true;
    send(step_.listener, masks_wanted{step_.batch->id});
  }

  template <class Work>
  bool perform(const Work& work) {
    auto start = std::chrono::steady_clock::now();
    try {
      work();
      seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      return true;
    } catch (const std::exception& error) {
      fail(step_.listener, error.what());
      return false;
    }
  }

  void fail(const step_listener& listener, std::string why) {
    device_->abort();  // the other ranks wait for this one
    failure error{.code = error_code::engine_failed,
                  .message = "executor " + std::to_string(rank_) + " failed: " + std::move(why)};
    send(listener, step_done{.result = error});
    quit(make_error(error));
  }

  std::shared_ptr<runner> device_;
  std::uint32_t rank_;
  run_step step_;            // in progress; without a batch: none
  double seconds_ = 0;       // that the device spent on it
  bool is_waiting_ = false;  // for masks, and the listener knows
};

}  // namespace

executor spawn_executor(caf::local_actor* parent, std::shared_ptr<runner> device,
                        std::uint32_t rank) {
  return parent->spawn<executor_actor, caf::linked + caf::detached>(std::move(device), rank);
}

}  // namespace troupe
