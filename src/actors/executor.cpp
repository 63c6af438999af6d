#include "actors/executor.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {
namespace {

class executor_actor : public executor::base {
 public:
  executor_actor(caf::actor_config& config, std::shared_ptr<runner> device, std::uint32_t rank)
      : executor::base(config), device_(std::move(device)), rank_(rank) {}

  const char* name() const override { return "executor"; }
  void on_exit() override {
    device_.reset();
    step_.reset();
    listener_ = step_listener{};
  }

  behavior_type make_behavior() override {
    return {
        [this](const run_step& ask) { compute(ask); },
        [this](const step_masks& promised) { choose(promised.masks); },
        [this](const tick&) {
          is_looking_ = false;
          go_on();
        },
        [this](const beat&) {
          heartbeat here{.num_messages = mailbox().size()};
          go_on();
          return here;
        },
    };
  }

 private:
  using clock = std::chrono::steady_clock;

  void compute(const run_step& ask) {
    step_ = ask.batch;
    listener_ = ask.listener;
    start_ = clock::now();
    wanted_since_.reset();
    if (!perform([this] { device_->compute(*step_); })) return;
    if (num_promised_masks(*step_) == 0)
      choose({});
    else
      go_on();
  }

  void choose(std::span<const token_mask_ptr> promised) {
    // What a device that rests does not spend.
    if (wanted_since_) start_ += clock::now() - *wanted_since_;
    if (!perform([&] { device_->choose(promised); })) return;
    chosen_.push_back(start_);
    step_.reset();
    go_on();
  }

  // Tells of what is done. Until then mail comes first: it may be the next step, or the masks of
  // this one.
  void go_on() {
    while (!chosen_.empty() && is_ready()) finish();
    bool rests = chosen_.empty() && (!step_ || wanted_since_ || rank_ != 0);
    if (rests || has_failed_) return;
    if (chosen_.empty() && mailbox().empty() && is_ready())
      want_masks();
    else
      look_again();
  }

  void want_masks() {
    wanted_since_ = clock::now();
    send(listener_, masks_wanted{step_->id});
  }

  void look_again() {
    if (!std::exchange(is_looking_, true)) send(this, tick{});
  }

  void finish() {
    auto start = chosen_.front();
    chosen_.erase(chosen_.begin());
    step_result result;
    if (!perform([&] { result = device_->finish(); })) return;
    auto now = clock::now();
    // Steps run one after the other, however early they were told.
    std::chrono::duration<double> spent = now - std::max(start, last_end_);
    last_end_ = now;
    if (rank_ == 0) send(listener_, step_done{std::move(result), spent.count()});
  }

  bool is_ready() {
    bool answer = false;
    return perform([&] { answer = device_->is_ready(); }) && answer;
  }

  template <class Work>
  bool perform(const Work& work) {
    if (has_failed_) return false;
    try {
      work();
      return true;
    } catch (const std::exception& error) {
      fail(error.what());
      return false;
    }
  }

  void fail(std::string why) {
    has_failed_ = true;
    device_->abort();  // the other ranks wait for this one
    failure error{.code = error_code::engine_failed,
                  .message = "executor " + std::to_string(rank_) + " failed: " + std::move(why)};
    send(listener_, step_done{.result = error});
    quit(make_error(error));
  }

  std::shared_ptr<runner> device_;
  std::uint32_t rank_;
  step_listener listener_;
  std::shared_ptr<const step_batch> step_;  // computed, has not chosen; null: none
  clock::time_point start_;
  std::optional<clock::time_point> wanted_since_;  // the listener knows that masks are missing
  // When the steps began that have chosen. A device with a queue of its own is told the next one
  // before they are done.
  std::vector<clock::time_point> chosen_;  // oldest first
  clock::time_point last_end_;
  bool is_looking_ = false;
  bool has_failed_ = false;
};

}  // namespace

executor spawn_executor(caf::local_actor* parent, std::shared_ptr<runner> device,
                        std::uint32_t rank) {
  return parent->spawn<executor_actor, caf::linked + caf::detached>(std::move(device), rank);
}

}  // namespace troupe
