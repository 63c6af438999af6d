// How actors that a strand hosts meet the end of that strand.
#include "net/bridge.hpp"

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "actors/cast.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

caf::actor_system_config make_config() {
  caf::actor_system_config config;
  enroll_cast(config);
  return config;
}

// Actors, and one io thread beside theirs.
struct stage {
  ~stage() { work.reset(); }

  caf::actor_system_config config = make_config();
  caf::actor_system system{config};
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::shared_ptr<head_count> house = std::make_shared<head_count>();
  std::jthread io_thread{[this] {
    io.run();
    forget_actor_system();
  }};
};

// Opens once, for everybody.
class latch_gate {
 public:
  void open() {
    std::lock_guard lock(mutex_);
    is_open_ = true;
    opened_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

// An executor whose `execute` hands its work over at once, but returns to threads other than the
// io thread only when the gate opens: a poster that the system took off its core in between.
struct lingering_executor {
  asio::io_context::executor_type inner;
  latch_gate* gate;

  asio::execution_context& query(asio::execution::context_t) const noexcept {
    return inner.context();
  }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  lingering_executor require(asio::execution::blocking_t::never_t) const { return *this; }
  template <class Work>
  void execute(Work&& work) const {
    bool is_inside = inner.running_in_this_thread();
    asio::post(inner, std::forward<Work>(work));
    if (!is_inside) gate->pass();
  }
  bool operator==(const lingering_executor& other) const noexcept { return gate == other.gate; }
  bool operator!=(const lingering_executor& other) const noexcept { return gate != other.gate; }
};

class one_word_actor : public strand_hosted<caf::event_based_actor> {
 public:
  one_word_actor(caf::actor_config& config, const strand_home& home,
                 std::shared_ptr<std::promise<void>> ended)
      : strand_hosted(config, home), ended_(std::move(ended)) {}
  caf::behavior make_behavior() override {
    return {[this](const tick&) { quit(); }};
  }
  void on_exit() override {
    strand_hosted::on_exit();
    ended_->set_value();
  }

 private:
  std::shared_ptr<std::promise<void>> ended_;
};

TEST_CASE("whoever still posts to a strand is counted after the hosted actor has ended") {
  stage on;
  latch_gate gate;
  auto ended = std::make_shared<std::promise<void>>();
  std::promise<void> is_waiting;
  caf::actor hosted;
  asio::post(on.io, [&] {
    strand_home home{lingering_executor{on.io.get_executor(), &gate}, on.house};
    hosted = spawn_hosted<one_word_actor>(on.system, home, ended);
    // Behind the actor's first turn: only one that waits for messages has a poster.
    asio::post(on.io, [&] { is_waiting.set_value(); });
  });
  is_waiting.get_future().wait();
  std::jthread poster([&] { caf::anon_send(hosted, tick{}); });
  ended->get_future().wait();

  CHECK_FALSE(on.house->wait_until_empty(50ms));
  gate.open();
  CHECK(on.house->wait_until_empty(5000ms));
}

// Counts what each sender sends, which is 0, 1, 2 and so on.
class counting_actor : public strand_hosted<caf::event_based_actor> {
 public:
  struct findings {
    std::vector<int> next = std::vector<int>(num_senders);
    bool is_in_order = true;
    bool is_at_home = true;
    std::promise<void> ended;
  };
  static constexpr int num_senders = 3;
  static constexpr int num_messages = 2000;  // of each sender

  counting_actor(caf::actor_config& config, const strand_home& home, std::thread::id thread,
                 std::shared_ptr<findings> found)
      : strand_hosted(config, home), thread_(thread), found_(std::move(found)) {}
  caf::behavior make_behavior() override {
    return {[this](int from, int number) {
      auto& next = found_->next[static_cast<std::size_t>(from)];
      found_->is_in_order = found_->is_in_order && number == next++;
      found_->is_at_home = found_->is_at_home && std::this_thread::get_id() == thread_;
      if (++num_taken_ == num_senders * num_messages) quit();
    }};
  }
  void on_exit() override {
    strand_hosted::on_exit();
    found_->ended.set_value();
  }

 private:
  std::thread::id thread_;
  std::shared_ptr<findings> found_;
  int num_taken_ = 0;
};

TEST_CASE("an inbox brings every hosted actor all of its messages, in order, on its own thread") {
  stage on;
  std::vector<std::shared_ptr<counting_actor::findings>> found(8);
  std::vector<caf::actor> hosted;
  std::promise<void> is_spawned;
  asio::post(on.io, [&] {
    strand_home home{on.io.get_executor(), on.house,
                     std::make_shared<job_inbox>(on.io.get_executor())};
    for (auto& one : found) {
      one = std::make_shared<counting_actor::findings>();
      auto here = std::this_thread::get_id();
      hosted.push_back(spawn_hosted<counting_actor>(on.system, home, here, one));
    }
    is_spawned.set_value();
  });
  is_spawned.get_future().wait();
  std::vector<std::jthread> senders;
  for (int sender = 0; sender < counting_actor::num_senders; ++sender)
    senders.emplace_back([&hosted, sender] {
      for (int number = 0; number < counting_actor::num_messages; ++number)
        for (auto& actor : hosted) caf::anon_send(actor, sender, number);
    });
  for (auto& one : found) {
    one->ended.get_future().wait();
    CHECK(one->is_in_order);
    CHECK(one->is_at_home);
  }
  CHECK(on.house->wait_until_empty(5000ms));
}

}  // namespace
}  // namespace troupe
