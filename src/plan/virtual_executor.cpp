#include "plan/virtual_executor.hpp"

#include <chrono>
#include <deque>
#include <utility>

namespace troupe::planning {
namespace {

class virtual_executor : public executor::base {
 public:
  virtual_executor(caf::actor_config& config, const sim_runner_options& device,
                   std::function<double(const step_batch&)> step_seconds)
      : executor::base(config), device_(device, 0), step_seconds_(std::move(step_seconds)) {}

  const char* name() const override { return "virtual_executor"; }
  void on_exit() override { steps_.clear(); }

  behavior_type make_behavior() override {
    return {
        [this](const run_step& ask) {
          steps_.push_back(ask);
          if (steps_.size() == 1) begin();
        },
        [](const step_masks&) {},  // no answer is under a constraint
        [this](const tick&) { end(); },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
    };
  }

 private:
  void begin() {
    seconds_ = step_seconds_(*steps_.front().batch);
    const std::chrono::duration<double> time(seconds_);
    delayed_send(this, std::chrono::duration_cast<std::chrono::nanoseconds>(time), tick{});
  }

  void end() {
    const auto step = std::move(steps_.front());
    steps_.pop_front();
    if (!steps_.empty()) begin();
    send(step.listener, step_done{device_.run(*step.batch), seconds_});
  }

  sim_runner device_;
  std::function<double(const step_batch&)> step_seconds_;
  std::deque<run_step> steps_;  // the first one runs
  double seconds_ = 0;          // that it takes
};

}  // namespace

executor spawn_virtual_executor(caf::actor_system& system, const sim_runner_options& device,
                                std::function<double(const step_batch&)> step_seconds) {
  return system.spawn<virtual_executor>(device, std::move(step_seconds));
}

}  // namespace troupe::planning
