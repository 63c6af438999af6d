#include "actors/fleet_member.hpp"

#include "actors/fleet.hpp"

#include <utility>

namespace troupe {
namespace {

class fleet_member_actor : public fleet_member::base {
 public:
  fleet_member_actor(caf::actor_config& config, member_options options)
      : fleet_member::base(config), options_(std::move(options)) {
    set_down_handler([this](const caf::down_msg& down) {
      if (fleet_ && down.source == fleet_.address()) leave("the fleet is gone", false);
    });
  }

  const char* name() const override { return "fleet_member"; }

  void on_exit() override {
    fleet_ = nullptr;
    copy_ = nullptr;
  }

  behavior_type make_behavior() override {
    return {
        [this](const queue_observed& news) { gathered_.num_waiting = news.num_waiting; },
        [this](step_observed& news) { gathered_.steps.push_back(std::move(news)); },
        [this](pages_observed& news) { merge(news); },
        // The gateway counts these itself, where the clients are.
        [](const request_observed&) {},
        [](const refusal_observed&) {},
        [](const http_observed&) {},
        [](const front_observed&) {},
        [this](const replica_observed& news) { gathered_.num_restarts = news.num_restarts; },
        [](const grammar_observed&) {},
        [](const fleet_observed&) {},
        [](const overload_observed&) {},
        [](const log_observed&) {},
        [](const load_test_observed&) {},
        [](const render&) { return std::string{}; },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
        [this](const joined_fleet& news) { begin(news); },
        [this](const retire& word) {
          if (word.may_return)
            leave("the fleet had given this replica up", false);
          else
            leave("the fleet needs this replica no longer", true);
        },
        [this](const tick&) { ask_and_report(); },
    };
  }

 private:
  void begin(const joined_fleet& news) {
    fleet_ = caf::actor_cast<fleet>(news.fleet);
    copy_ = news.copy;
    gathered_.replica = news.name;
    monitor(fleet_);
    ask_and_report();
  }

  void merge(pages_observed& news) {
    if (news.is_new) prefixes_ = {};
    for (auto& key : news.prefixes.added) prefixes_.remember(key);
    for (auto& key : news.prefixes.removed) prefixes_.forget(key);
    news.is_new |= gathered_.pages.is_new;
    gathered_.pages = std::move(news);
  }

  // The report does not wait for the replica: a device may take long to start.
  void ask_and_report() {
    delayed_send(this, options_.report_period, tick{});
    if (!std::exchange(is_asking_, true))
      request(copy_, caf::infinite, ask_status{})
          .then([this](const replica_status& now) { note(now.ready, now.reason); },
                [this](const caf::error& error) { note(false, to_failure(error).message); });
    report();
  }

  void note(bool is_ready, std::string reason) {
    is_asking_ = false;
    bool is_news = is_ready != gathered_.ready;
    gathered_.ready = is_ready;
    gathered_.reason = std::move(reason);
    if (is_news) report();
  }

  void report() {
    gathered_.pages.prefixes = prefixes_.take();
    send(fleet_, gathered_);
    gathered_.steps.clear();
    gathered_.pages.is_new = false;
  }

  void leave(std::string why, bool is_retired) {
    if (auto leave = std::exchange(options_.leave, nullptr)) leave(std::move(why), is_retired);
  }

  member_options options_;
  replica copy_;
  fleet fleet_;
  load_report gathered_{.reason = "starting"};
  prefix_journal prefixes_;  // what the fleet was told of them
  bool is_asking_ = false;
};

}  // namespace

fleet_member spawn_fleet_member(caf::actor_system& system, member_options options) {
  return system.spawn<fleet_member_actor>(std::move(options));
}

}  // namespace troupe
