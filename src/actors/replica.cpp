#include "actors/replica.hpp"

#include "actors/batcher.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto heartbeat_period = 250ms;

class replica_actor : public replica::base {
 public:
  replica_actor(caf::actor_config& config, replica_options options, request_queue queue,
                meter observer, runner_factory make_runners)
      : replica::base(config),
        options_(std::move(options)),
        queue_(std::move(queue)),
        meter_(std::move(observer)),
        make_runners_(std::move(make_runners)) {
    set_exit_handler([this](const caf::exit_msg& gone) { on_exit_message(gone); });
  }

  const char* name() const override { return "replica"; }

  void on_exit() override {
    stop_parts();
    queue_ = nullptr;
    meter_ = nullptr;
    make_runners_ = nullptr;
  }

  behavior_type make_behavior() override {
    start_parts();
    keep_time();
    return {
        [this](const ask_status&) { return status(); },
        [this](const tick&) {
          look_at_heartbeats();
          keep_time();
        },
    };
  }

 private:
  struct rank_state {
    std::shared_ptr<runner> device;
    executor actor;
    std::optional<steady_time> beat_sent;  // not answered yet
    bool is_alive = false;                 // answered at least once
  };

  void start_parts() {
    try {
      for (auto& made : make_runners_()) ranks_.push_back({.device = std::move(made)});
    } catch (const std::exception& error) {
      give_up(std::string{"the executors do not start: "} + error.what());
      return;
    }
    std::vector<executor> executors;
    for (std::uint32_t i = 0; i < ranks_.size(); ++i) {
      ranks_[i].actor = spawn_executor(this, ranks_[i].device, i);
      executors.push_back(ranks_[i].actor);
    }
    pages_ = spawn_page_manager(this, options_.limits, meter_);
    masks_ = spawn_grammarian(this, options_.limits);
    batcher_ = spawn_batcher(this, options_.limits, {queue_, pages_, masks_, executors, meter_});
    look_at_heartbeats();
  }

  // Unlinks first: what we end ourselves is no failure.
  void stop_parts() {
    auto stop = [this](auto& part) {
      if (!part) return;
      unlink_from(part);
      anon_send_exit(part, caf::exit_reason::kill);
      part = nullptr;
    };
    for (auto& r : ranks_) {
      if (r.device) r.device->abort();
      stop(r.actor);
    }
    stop(batcher_);
    stop(pages_);
    stop(masks_);
    ranks_.clear();
  }

  void on_exit_message(const caf::exit_msg& gone) {
    auto is_part = [&](const auto& part) { return part && part.address() == gone.source; };
    bool is_ours = is_part(batcher_) || is_part(pages_) || is_part(masks_);
    for (auto& r : ranks_) is_ours = is_ours || is_part(r.actor);
    if (is_ours)
      restart(to_failure(gone.reason).message);
    else if (gone.reason)
      quit(gone.reason);
  }

  void restart(const std::string& why) {
    stop_parts();
    auto now = clock().now();
    failures_.push_back(now);
    while (now - failures_.front() > options_.restart_window) failures_.pop_front();
    ++num_restarts_;
    last_failure_ = why;
    if (failures_.size() > options_.max_restarts)
      give_up("gave up after " + std::to_string(failures_.size()) + " failures: " + why);
    else
      start_parts();
    observe();
  }

  void give_up(std::string why) {
    stop_parts();
    given_up_ = std::move(why);
    send(queue_, drain{.why = {.code = error_code::engine_failed,
                               .message = "the replica " + *given_up_,
                               .retry_after = 30s},
                       .end_waiting = true});
    observe();
  }

  void look_at_heartbeats() {
    auto now = clock().now();
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      auto& r = ranks_[i];
      if (!r.beat_sent)
        ask_beat(r, now);
      else if (now - *r.beat_sent > options_.executor_timeout)
        return restart("executor " + std::to_string(i) + " has not answered for " +
                       std::to_string(options_.executor_timeout.count()) + " ms");
    }
  }

  void ask_beat(rank_state& r, steady_time now) {
    r.beat_sent = now;
    auto who = r.actor.address();
    request(r.actor, caf::infinite, beat{})
        .then(
            [this, who](const heartbeat&) {
              for (auto& each : ranks_)
                if (each.actor.address() == who) {
                  each.beat_sent.reset();
                  each.is_alive = true;
                }
              observe();
            },
            [](const caf::error&) {});  // its link tells the story
  }

  replica_status status() const {
    replica_status now{.num_restarts = num_restarts_};
    if (given_up_)
      now.reason = *given_up_;
    else if (ranks_.empty() || !std::ranges::all_of(ranks_, &rank_state::is_alive))
      now.reason = last_failure_.empty() ? "starting" : "restarting: " + last_failure_;
    now.ready = now.reason.empty();
    return now;
  }

  void observe() { send(meter_, replica_observed{status().ready, num_restarts_}); }
  void keep_time() { delayed_send(this, heartbeat_period, tick{}); }

  replica_options options_;
  request_queue queue_;
  meter meter_;
  runner_factory make_runners_;
  std::vector<rank_state> ranks_;
  page_manager pages_;
  grammarian masks_;
  batcher batcher_;
  std::deque<steady_time> failures_;
  std::uint32_t num_restarts_ = 0;
  std::string last_failure_;
  std::optional<std::string> given_up_;
};

}  // namespace

replica spawn_replica(caf::actor_system& system, replica_options options, request_queue queue,
                      meter observer, runner_factory make_runners) {
  return system.spawn<replica_actor, caf::detached>(std::move(options), std::move(queue),
                                                    std::move(observer), std::move(make_runners));
}

}  // namespace troupe
