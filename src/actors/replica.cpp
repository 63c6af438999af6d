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
constexpr std::size_t max_former = 64;

// A replica, and the group_listener of its ranks.
using listening_replica =
    replica::extend<caf::reacts_to<group_changed>, caf::reacts_to<ranks_lost>>;

class replica_actor : public listening_replica::base {
 public:
  replica_actor(caf::actor_config& config, replica_options options, request_queue queue,
                meter observer, runner_factory make_runners, rank_group group)
      : listening_replica::base(config),
        options_(std::move(options)),
        queue_(std::move(queue)),
        meter_(std::move(observer)),
        make_runners_(std::move(make_runners)),
        group_(std::move(group)) {
    set_exit_handler([this](const caf::exit_msg& gone) { on_exit_message(gone); });
  }

  const char* name() const override { return "replica"; }

  void on_exit() override {
    stop_parts();
    queue_ = nullptr;
    meter_ = nullptr;
    make_runners_ = nullptr;
    group_ = nullptr;
    options_.presence = nullptr;
  }

  behavior_type make_behavior() override {
    start_parts();
    keep_time();
    return {
        [this](const ask_status&) { return status(); },
        [this](const group_changed& news) {
          attendance_ = news;
          observe();
        },
        [this](const ranks_lost& news) {
          if (!executors_.empty() && news.formation == formation_) restart(news.why);
        },
        [this](const tick&) {
          look_at_heartbeats();
          mind_the_gap();
          keep_time();
        },
    };
  }

 private:
  struct watched_part {
    house_part actor;
    part_report report;
    std::optional<steady_time> beat_sent;  // not answered yet
  };

  void start_parts() {
    if (group_)
      ask_for_ranks();
    else
      make_ranks_here();
  }

  // Answered when all nodes are there. An answer to a question of before a restart is none.
  void ask_for_ranks() {
    without_ranks_since_ = clock().now();
    request(group_, caf::infinite, form_group{group_listener{this}})
        .then(
            [this, asked = num_restarts_](group_formed& all) {
              if (asked != num_restarts_ || given_up_) return;
              formation_ = all.formation;
              executors_ = std::move(all.executors);
              for (auto& each : executors_) link_to(each);
              start_engine();
              if (std::exchange(is_queue_closed_, false)) send(queue_, reopen{});
            },
            [](const caf::error&) {});  // we dissolved it
  }

  void make_ranks_here() {
    try {
      for (auto& made : make_runners_()) devices_.push_back(std::move(made));
    } catch (const std::exception& error) {
      give_up(std::string{"the executors do not start: "} + error.what());
      return;
    }
    for (std::uint32_t i = 0; i < devices_.size(); ++i)
      executors_.push_back(spawn_executor(this, devices_[i], i));
    const auto num_ranks = static_cast<std::uint32_t>(executors_.size());
    attendance_ = {.num_ranks = num_ranks, .num_ranks_present = num_ranks};
    start_engine();
  }

  void start_engine() {
    pages_ = spawn_page_manager(this, options_.limits, meter_);
    masks_ = spawn_grammarian(this, options_.limits);
    batcher_ = spawn_batcher(this, options_.limits, {queue_, pages_, masks_, executors_, meter_});
    for (auto& each : executors_) hold_presence(each);
    hold_presence(pages_);
    hold_presence(masks_);
    hold_presence(batcher_);
    watch("queue", queue_);
    watch("batcher", batcher_);
    watch("page_manager", pages_);
    watch("grammarian", masks_);
    for (std::uint32_t i = 0; i < executors_.size(); ++i) watch("executor", executors_[i], i);
    look_at_heartbeats();
  }

  template <class Part>
  void hold_presence(const Part& part) {
    part->attach_functor([presence = options_.presence] {});
  }

  void watch(std::string name, house_part actor, std::optional<std::uint32_t> rank = {}) {
    watched_.push_back({.actor = std::move(actor),
                        .report = {.actor = std::move(name),
                                   .rank = rank,
                                   .last_beat = clock().now(),
                                   .last = {.since = clock().now()}}});
  }

  // Unlinks first: what we end ourselves is no failure.
  void stop_parts() {
    auto stop = [this](auto& part) {
      if (!part) return;
      forget(part);
      anon_send_exit(part, caf::exit_reason::kill);
      part = nullptr;
    };
    for (auto& device : devices_) device->abort();
    for (auto& each : executors_) {
      if (group_)
        forget(each);
      else
        stop(each);
    }
    if (group_) anon_send(group_, dissolve_group{});
    stop(batcher_);
    stop(pages_);
    stop(masks_);
    watched_.clear();
    executors_.clear();
    devices_.clear();
  }

  template <class Part>
  void forget(const Part& part) {
    unlink_from(part);
    former_.push_back(part.address());
    if (former_.size() > max_former) former_.pop_front();
  }

  void on_exit_message(const caf::exit_msg& gone) {
    auto is_part = [&](const auto& part) { return part && part.address() == gone.source; };
    bool is_ours = is_part(batcher_) || is_part(pages_) || is_part(masks_);
    for (auto& each : executors_) is_ours = is_ours || is_part(each);
    if (is_ours)
      restart(to_failure(gone.reason).message);
    else if (gone.reason && std::ranges::find(former_, gone.source) == former_.end())
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

  // Whoever waits for ranks that do not come hears so.
  void mind_the_gap() {
    if (!group_ || !executors_.empty() || given_up_ || is_queue_closed_) return;
    if (clock().now() - without_ranks_since_ <= options_.stall_timeout) return;
    is_queue_closed_ = true;
    send(queue_, drain{.why = {.code = error_code::unavailable,
                               .message = "the replica's ranks are not all there: " + absence(),
                               .retry_after = 10s},
                       .end_waiting = true});
  }

  std::string absence() const {
    return attendance_.missing.empty() ? "they do not meet" : attendance_.missing;
  }

  void look_at_heartbeats() {
    observe();
    auto now = clock().now();
    for (auto& each : watched_) {
      auto& rank = each.report.rank;
      if (!each.beat_sent)
        ask_beat(each, now);
      else if (rank && now - *each.beat_sent > options_.executor_timeout)
        return restart("executor " + std::to_string(*rank) + " has not answered for " +
                       std::to_string(options_.executor_timeout.count()) + " ms");
    }
  }

  void ask_beat(watched_part& one, steady_time now) {
    one.beat_sent = now;
    auto who = one.actor.address();
    request(one.actor, caf::infinite, beat{})
        .then([this, who](const heartbeat& answer) { note_beat(who, answer); },
              [](const caf::error&) {});  // its link tells the story, or its age
  }

  void note_beat(const caf::actor_addr& who, const heartbeat& answer) {
    for (auto& each : watched_) {
      if (each.actor.address() != who) continue;
      each.beat_sent.reset();
      each.report.last_beat = clock().now();
      each.report.last = answer;
      if (!std::exchange(each.report.has_answered, true)) observe();
    }
  }

  replica_status status() {
    replica_status now{.num_restarts = num_restarts_,
                       .has_given_up = given_up_.has_value(),
                       .num_ranks = attendance_.num_ranks,
                       .num_ranks_present = attendance_.num_ranks_present};
    for (auto& each : watched_) now.parts.push_back(each.report);
    find_troubles(now.parts, clock().now(), options_.stall_timeout);
    auto is_starting = [](const part_report& p) { return p.rank && !p.has_answered; };
    if (given_up_)
      now.reason = *given_up_;
    else if (now.parts.empty() || std::ranges::any_of(now.parts, is_starting))
      now.reason = last_failure_.empty() ? "starting" : "restarting: " + last_failure_;
    else
      now.reason = describe_troubles(now.parts);
    if (!attendance_.missing.empty() && !given_up_)
      now.reason += (now.reason.empty() ? std::string{} : "; ") + attendance_.missing;
    now.ready = now.reason.empty();
    return now;
  }

  void observe() {
    auto now = status();
    send(meter_, replica_observed{.ready = now.ready,
                                  .num_restarts = num_restarts_,
                                  .num_ranks = now.num_ranks,
                                  .num_ranks_present = now.num_ranks_present,
                                  .num_messages = mailbox().size(),
                                  .parts = std::move(now.parts)});
  }
  void keep_time() { delayed_send(this, heartbeat_period, tick{}); }

  replica_options options_;
  request_queue queue_;
  meter meter_;
  runner_factory make_runners_;
  rank_group group_;             // null: all ranks are made here
  group_changed attendance_;     // of the ranks
  std::uint64_t formation_ = 0;  // of the group
  steady_time without_ranks_since_{};
  bool is_queue_closed_ = false;                  // because ranks are missing
  std::vector<std::shared_ptr<runner>> devices_;  // by rank, those made here
  std::vector<executor> executors_;               // by rank
  std::vector<watched_part> watched_;
  page_manager pages_;
  grammarian masks_;
  batcher batcher_;
  std::deque<caf::actor_addr> former_;  // parts whose last words may still come
  std::deque<steady_time> failures_;
  std::uint32_t num_restarts_ = 0;
  std::string last_failure_;
  std::optional<std::string> given_up_;
};

}  // namespace

replica spawn_replica(caf::actor_system& system, replica_options options, request_queue queue,
                      meter observer, runner_factory make_runners) {
  return system.spawn<replica_actor, caf::detached>(std::move(options), std::move(queue),
                                                    std::move(observer), std::move(make_runners),
                                                    rank_group{});
}

replica spawn_replica(caf::actor_system& system, replica_options options, request_queue queue,
                      meter observer, rank_group group) {
  return system.spawn<replica_actor, caf::detached>(std::move(options), std::move(queue),
                                                    std::move(observer), runner_factory{},
                                                    std::move(group));
}

}  // namespace troupe
