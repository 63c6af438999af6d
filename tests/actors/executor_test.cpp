// The executor over a device with a queue of its own, whose work is done when the test says so.
#include "actors/executor.hpp"
#include "stage.hpp"

#include <doctest/doctest.h>

#include <mutex>
#include <thread>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What the device was told and what the listener heard, in order.
class record {
 public:
  void add(std::string what) {
    std::lock_guard lock(mutex_);
    lines_.push_back(std::move(what));
  }
  std::vector<std::string> lines() const {
    std::lock_guard lock(mutex_);
    return lines_;
  }
  // Until the record ends with this line.
  bool ends_with(const std::string& last) const {
    for (int i = 0; i < 5000; ++i, std::this_thread::sleep_for(1ms))
      if (auto all = lines(); !all.empty() && all.back() == last) return true;
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

struct device_state {
  record told;
  std::atomic<int> num_done{0};  // parts: computed, chosen
  std::atomic<bool> fails{false};
  std::atomic<int> num_looks{0};
};

class queued_device : public runner {
 public:
  explicit queued_device(device_state& state) : state_(state) {}
  void compute(const step_batch& batch) override {
    id_ = batch.id;
    ++num_told_;
    state_.told.add("compute " + std::to_string(id_.value));
  }
  void choose(std::span<const token_mask_ptr> promised) override {
    ++num_told_;
    chosen_.push_back({id_, num_told_});
    state_.told.add("choose " + std::to_string(id_.value) + " under " +
                    std::to_string(promised.size()));
  }
  bool is_ready() override {
    ++state_.num_looks;
    if (state_.fails) throw device_error("the device is gone");
    return state_.num_done >= (chosen_.empty() ? num_told_ : chosen_.front().second);
  }
  step_result finish() override {
    auto id = chosen_.front().first;
    chosen_.pop_front();
    return {.id = id, .samples = {}};
  }
  void abort() noexcept override { state_.told.add("abort"); }

 private:
  device_state& state_;
  step_id id_;
  int num_told_ = 0;
  std::deque<std::pair<step_id, int>> chosen_;
};

class listener_actor : public step_listener::base {
 public:
  listener_actor(caf::actor_config& config, record& heard)
      : step_listener::base(config), heard_(heard) {}
  behavior_type make_behavior() override {
    return {[this](const step_done& step) {
              heard_.add(step.result ? "done " + std::to_string(step.result->id.value)
                                     : step.result.error().message);
            },
            [this](const masks_wanted& ask) {
              heard_.add("wanted " + std::to_string(ask.step.value));
            }};
  }

 private:
  record& heard_;
};

struct set {
  set() {
    executor_ = spawn_executor(self.ptr(), std::make_shared<queued_device>(device), 0);
    listener_ = system.spawn<listener_actor>(device.told);
  }
  ~set() {
    self->send_exit(executor_, caf::exit_reason::user_shutdown);
    self->send_exit(listener_, caf::exit_reason::user_shutdown);
  }
  void run(std::uint64_t id, std::size_t num_promised = 0) {
    step_batch batch{.id = {id}};
    batch.masks.resize(num_promised);
    self->send(executor_, run_step{std::make_shared<const step_batch>(batch), listener_});
  }

  device_state device;
  caf::actor_system_config config = make_config(caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  executor executor_;
  step_listener listener_;
};

using lines = std::vector<std::string>;

}  // namespace

TEST_CASE("the next step is told before the last one is done") {
  set s;
  s.run(1);
  s.run(2);
  REQUIRE(s.device.told.ends_with("choose 2 under 0"));
  s.device.num_done = 2;
  REQUIRE(s.device.told.ends_with("done 1"));
  s.device.num_done = 4;
  REQUIRE(s.device.told.ends_with("done 2"));
  CHECK(s.device.told.lines() == lines{"compute 1", "choose 1 under 0", "compute 2",
                                       "choose 2 under 0", "done 1", "done 2"});
}

TEST_CASE("masks are wanted when the logits are there, once") {
  set s;
  s.run(1);
  s.run(2, 1);
  REQUIRE(s.device.told.ends_with("compute 2"));
  s.device.num_done = 2;
  REQUIRE(s.device.told.ends_with("done 1"));
  auto num_looks = s.device.num_looks.load();
  while (s.device.num_looks < num_looks + 20) std::this_thread::yield();
  CHECK(s.device.told.lines().back() == "done 1");  // the logits are not there
  s.device.num_done = 3;
  REQUIRE(s.device.told.ends_with("wanted 2"));
  s.self->request(s.executor_, caf::infinite, beat{})
      .receive([](const heartbeat&) {}, [](const caf::error&) {});
  CHECK(s.device.told.lines().back() == "wanted 2");
  s.self->send(s.executor_, step_masks{.id = {2}, .masks = {nullptr}});
  REQUIRE(s.device.told.ends_with("choose 2 under 1"));
  s.device.num_done = 4;
  REQUIRE(s.device.told.ends_with("done 2"));
}

TEST_CASE("masks that are there first are not wanted") {
  set s;
  s.run(1, 1);
  s.self->send(s.executor_, step_masks{.id = {1}, .masks = {nullptr}});
  s.device.num_done = 2;
  REQUIRE(s.device.told.ends_with("done 1"));
  CHECK(s.device.told.lines() == lines{"compute 1", "choose 1 under 1", "done 1"});
}

TEST_CASE("a device that fails while it works is told of once") {
  set s;
  s.run(1);
  REQUIRE(s.device.told.ends_with("choose 1 under 0"));
  s.device.fails = true;
  REQUIRE(s.device.told.ends_with("executor 0 failed: the device is gone"));
  CHECK(s.device.told.lines() ==
        lines{"compute 1", "choose 1 under 0", "abort", "executor 0 failed: the device is gone"});
}
