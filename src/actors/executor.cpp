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
  void on_exit() override { device_.reset(); }

  behavior_type make_behavior() override {
    return {
        [this](const run_step& ask) { run(ask); },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
    };
  }

 private:
  void run(const run_step& ask) {
    auto start = std::chrono::steady_clock::now();
    try {
      auto result = device_->run(*ask.batch);
      std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      if (rank_ == 0) send(ask.listener, step_done{std::move(result), spent.count()});
    } catch (const std::exception& error) {
      fail(ask.listener, error.what());
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
};

}  // namespace

executor spawn_executor(caf::local_actor* parent, std::shared_ptr<runner> device,
                        std::uint32_t rank) {
  return parent->spawn<executor_actor, caf::linked + caf::detached>(std::move(device), rank);
}

}  // namespace troupe
