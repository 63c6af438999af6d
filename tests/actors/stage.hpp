// A stage for deterministic tests: real actors, CAF's testing scheduler, a virtual clock.
#pragma once
#include "actors/batcher.hpp"
#include "actors/replica.hpp"
#include "core/running_constraints.hpp"
#include "fake_runner.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace troupe::test {

inline caf::actor_system_config make_config(caf::atom_value policy) {
  caf::actor_system_config config;
  enroll_cast(config);
  config.set("scheduler.policy", policy);
  config.set("scheduler.max-threads", std::size_t{2});
  config.set("scheduler.max-throughput", std::size_t{64});
  return config;
}

struct heard {
  std::vector<token_id> tokens;
  std::vector<finished> endings;
};

// Reads one request's answer into `ears`.
class reader_actor : public token_sink::base {
 public:
  reader_actor(caf::actor_config& config, std::shared_ptr<heard> ears)
      : token_sink::base(config), ears_(std::move(ears)) {}
  behavior_type make_behavior() override {
    return {[this](const tokens_ready& t) {
              for (auto& s : t.tokens) ears_->tokens.push_back(s.token);
            },
            [this](const finished& f) { ears_->endings.push_back(f); }};
  }

 private:
  std::shared_ptr<heard> ears_;
};

// Runs steps on a fake device, on the scheduler instead of a thread of its own.
class scheduled_executor : public executor::base {
 public:
  scheduled_executor(caf::actor_config& config, std::shared_ptr<runner> device)
      : executor::base(config), device_(std::move(device)) {}
  behavior_type make_behavior() override {
    return {[this](const run_step& ask) {
              step_ = ask;
              perform([this] {
                device_->compute(*step_.batch);
                if (num_promised_masks(*step_.batch) == 0) choose({});
                // Although they may be on their way.
                else
                  send(step_.listener, masks_wanted{step_.batch->id});
              });
            },
            [this](const step_masks& promised) { perform([&] { choose(promised.masks); }); },
            [](const tick&) {}, [](const beat&) { return heartbeat{}; }};
  }
  void on_exit() override { step_ = {}; }

 private:
  void choose(std::span<const token_mask_ptr> promised) {
    device_->choose(promised);
    send(step_.listener, step_done{device_->finish(), 0.001});
  }
  template <class Work>
  void perform(const Work& work) {
    try {
      work();
    } catch (const device_error& e) {
      send(step_.listener, step_done{failure{error_code::engine_failed, e.what(), "", {}}});
      quit();
    }
  }

  std::shared_ptr<runner> device_;
  run_step step_;
};

// What a test sees and steers of a grammarian.
struct grammar_desk {
  // Requests whose masks are late: kept until a message finds the request gone from here.
  std::set<request_id> late;
  std::size_t num_running = 0;  // answers that it keeps the place of
  bool may_force = true;        // false: forced tokens come one by one
};

// Works masks out on the scheduler instead of a thread of its own.
class scheduled_grammarian : public grammarian::base {
 public:
  scheduled_grammarian(caf::actor_config& config, const engine_limits& limits,
                       std::shared_ptr<grammar_desk> desk)
      : grammarian::base(config), constraints_(limits.vocab_size), desk_(std::move(desk)) {}
  void on_exit() override { kept_.clear(); }
  behavior_type make_behavior() override {
    return {[this](const advance_constraints& ask) {
              for (auto& a : ask.answers)
                kept_.push_back({{a.request, a.epoch,
                                  constraints_.advance(a.request, a.constraint, a.more,
                                                       desk_->may_force ? a.max_forced : 0)},
                                 ask.listener});
              answer();
            },
            [this](const forget_constraint& gone) {
              constraints_.forget(gone.request);
              answer();
            },
            [](const beat&) { return heartbeat{}; }};
  }

 private:
  struct kept_answer {
    ready_mask mask;
    mask_listener listener;
  };
  void answer() {
    std::vector<kept_answer> still_late;
    for (auto& a : kept_) {
      if (desk_->late.contains(a.mask.request))
        still_late.push_back(std::move(a));
      else
        send(a.listener, masks_ready{{std::move(a.mask)}});
    }
    kept_ = std::move(still_late);
    desk_->num_running = constraints_.num_running();
  }

  running_constraints constraints_;
  std::shared_ptr<grammar_desk> desk_;
  std::vector<kept_answer> kept_;
};

class stage {
 public:
  explicit stage(engine_limits limits)
      : limits_(limits), device_(std::make_shared<fake_runner>(limits.num_pages)) {
    observer = spawn_meter(system, "test");
    queue = spawn_request_queue(system, limits, observer);
    start_parts();
  }
  ~stage() {
    parts_.push_back(caf::actor_cast<caf::actor>(queue));
    parts_.push_back(caf::actor_cast<caf::actor>(observer));
    for (auto& part : parts_) self->send_exit(part, caf::exit_reason::kill);
    for (auto& reader : readers_) self->send_exit(reader, caf::exit_reason::kill);
    play();
  }

  std::shared_ptr<heard> send(generation_request request) {
    auto ears = std::make_shared<heard>();
    auto reader = system.spawn<reader_actor>(ears);
    readers_.push_back(caf::actor_cast<caf::actor>(reader));
    if (request.deadline == steady_time{})
      request.deadline = director().clock().now() + std::chrono::hours{1};
    request.arrival = director().clock().now();
    auto answer = self->request(queue, caf::infinite, submit{std::move(request), reader});
    director().run();
    answer.receive([](const accepted&) {},
                   [&](const caf::error& e) { refusals.push_back(to_failure(e)); });
    return ears;
  }
  void post(generation_request request, std::shared_ptr<heard> ears) {
    auto reader = system.spawn<reader_actor>(std::move(ears));
    readers_.push_back(caf::actor_cast<caf::actor>(reader));
    if (request.deadline == steady_time{})
      request.deadline = director().clock().now() + std::chrono::hours{1};
    self->send(queue, submit{std::move(request), reader});
  }
  void play() { director().run(); }
  // What a replica does after a failure.
  void restart() {
    for (auto& part : std::exchange(parts_, {})) self->send_exit(part, caf::exit_reason::kill);
    device_ = std::make_shared<fake_runner>(limits_.num_pages);
    start_parts();
  }
  // From now on the masks of this request are late, or again in time.
  void make_late(request_id request) { desk_->late.insert(request); }
  void make_timely(request_id request) {
    desk_->late.erase(request);
    self->send(masks, forget_constraint{});  // any message makes the grammarian look
  }
  void advance(std::chrono::milliseconds time) {
    director().advance_time(time);
    play();
  }
  std::string metrics() {
    auto answer = self->request(observer, caf::infinite, render{});
    play();
    std::string text;
    answer.receive([&](std::string& t) { text = std::move(t); }, [](const caf::error&) {});
    return text;
  }
  double metric(const std::string& name) {
    auto text = metrics();
    auto at = text.find("\n" + name + "{");
    if (at == std::string::npos) return -1;
    return std::stod(text.substr(text.find("} ", at) + 2));
  }
  // Of all samples of a family.
  double metric_sum(const std::string& name) {
    auto text = metrics();
    double sum = 0;
    for (auto at = text.find("\n" + name + "{"); at != std::string::npos;
         at = text.find("\n" + name + "{", at + 1))
      sum += std::stod(text.substr(text.find("} ", at) + 2));
    return sum;
  }
  caf::scheduler::test_coordinator& director() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  }
  fake_runner& device() { return *device_; }
  std::size_t num_constraints() const { return desk_->num_running; }
  grammar_desk& desk() { return *desk_; }

 private:
  void start_parts() {
    auto pages = spawn_page_manager(self.ptr(), limits_, observer);
    masks = system.spawn<scheduled_grammarian>(limits_, desk_);
    auto rank = system.spawn<scheduled_executor>(device_);
    batch = spawn_batcher(self.ptr(), limits_, {queue, pages, masks, {rank}, observer});
    parts_ = {caf::actor_cast<caf::actor>(pages), caf::actor_cast<caf::actor>(masks),
              caf::actor_cast<caf::actor>(rank), caf::actor_cast<caf::actor>(batch)};
  }

  caf::actor_system_config config_ = make_config(caf::atom("testing"));
  engine_limits limits_;
  std::shared_ptr<fake_runner> device_;
  std::shared_ptr<grammar_desk> desk_ = std::make_shared<grammar_desk>();

 public:
  caf::actor_system system{config_};
  caf::scoped_actor self{system};
  meter observer;
  request_queue queue;
  grammarian masks;
  batcher batch;
  std::vector<failure> refusals;

 private:
  std::vector<caf::actor> parts_, readers_;
};

}  // namespace troupe::test
