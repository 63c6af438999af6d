// The two crossings between Asio and CAF. An actor that a strand hosts shares its thread with the
// sockets of that strand: no lock, no second hop. And `co_await ask` puts a question to any actor.
#pragma once
#include <caf/all.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "actors/cast.hpp"
#include "core/outcome.hpp"
#include "net/head_count.hpp"
#include "net/job_inbox.hpp"
#include "net/strand_event.hpp"

namespace troupe {

// Where a hosted actor lives.
struct strand_home {
  asio::any_io_executor strand;
  std::shared_ptr<head_count> house;
  std::shared_ptr<job_inbox> inbox;  // null: where one thread is not the strand of all
};

// Runs the handlers of one hosted actor on its strand: to CAF it looks like a thread of its own.
class strand_unit : public caf::execution_unit {
 public:
  strand_unit(caf::actor_system& system, const strand_home& home);
  void exec_later(caf::resumable* job) override;
  // A turn of the hosted actor, on the strand.
  void run(caf::resumable* job);
  // The last thing that a hosted actor does: nothing of it may touch the strand once that is gone,
  // and somebody (a pending timeout, an engine that died slowly) may keep the actor for longer.
  void leave();

 private:
  static constexpr std::size_t max_messages_per_turn = 64;  // then the sockets have a turn

  asio::any_io_executor strand_;
  std::shared_ptr<head_count> house_;
  std::shared_ptr<job_inbox> inbox_;
  head_count::guest presence_;
};

template <class Base>
class strand_hosted : public Base {
 public:
  strand_hosted(caf::actor_config& config, const strand_home& home)
      : Base(config), unit_(config.host->system(), home) {}

  caf::resumable::subtype_t subtype() const override { return caf::resumable::io_actor; }
  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr message, caf::execution_unit*) override {
    Base::enqueue(std::move(message), &unit_);
  }
  void launch(caf::execution_unit*, bool lazy, bool hide) override {
    Base::launch(&unit_, lazy, hide);
  }
  void on_exit() override { unit_.leave(); }

 private:
  strand_unit unit_;
};

// A thread that is not CAF's keeps CAF's logger after a spawn, and the actor system waits for it
// in its destructor.
void forget_actor_system();

template <class Actor, class... Args>
auto spawn_hosted(caf::actor_system& system, const strand_home& home, Args&&... args) {
  auto handle = system.spawn<Actor, caf::hidden>(home, std::forward<Args>(args)...);
  forget_actor_system();
  return handle;
}

// One question and its answer. Everything happens on the strand.
template <class Answer>
struct pending_answer {
  explicit pending_answer(const asio::any_io_executor& strand) : arrived(strand) {}
  std::optional<outcome<Answer>> value;
  strand_event arrived;
};

template <class Answer, class Handle, class Question>
class asking_actor : public strand_hosted<caf::event_based_actor> {
 public:
  asking_actor(caf::actor_config& config, const strand_home& home, Handle who, Question question,
               std::chrono::milliseconds timeout, std::shared_ptr<pending_answer<Answer>> pending)
      : strand_hosted(config, home),
        who_(std::move(who)),
        question_(std::move(question)),
        timeout_(timeout),
        pending_(std::move(pending)) {}

  // Without a behaviour the actor ends after the answer.
  caf::behavior make_behavior() override {
    request(who_, timeout_, question_)
        .then([this](Answer& answer) { deliver(std::move(answer)); },
              [this](const caf::error& error) { deliver(to_failure(error)); });
    return {};
  }
  void on_exit() override {
    if (pending_) deliver(to_failure(caf::error{}));
    who_ = nullptr;
    strand_hosted::on_exit();
  }

 private:
  void deliver(outcome<Answer> answer) {
    auto pending = std::exchange(pending_, nullptr);
    if (!pending) return;
    pending->value.emplace(std::move(answer));
    pending->arrived.notify();
  }

  Handle who_;
  Question question_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<pending_answer<Answer>> pending_;
};

// The answer, or why there is none: an actor that is dead, or silent for longer than `timeout`.
// Must be awaited on `home.strand`.
template <class Answer, class Handle, class Question>
asio::awaitable<outcome<Answer>> ask(caf::actor_system& system, strand_home home, Handle who,
                                     Question question, std::chrono::milliseconds timeout) {
  auto pending = std::make_shared<pending_answer<Answer>>(home.strand);
  spawn_hosted<asking_actor<Answer, Handle, Question>>(system, home, std::move(who),
                                                       std::move(question), timeout, pending);
  while (!pending->value) co_await pending->arrived.wait();
  co_return *std::move(pending->value);
}

}  // namespace troupe
