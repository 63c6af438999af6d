#include "actors/rank_node.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

namespace troupe {
namespace {

constexpr std::size_t max_former = 64;

class rank_node_actor : public rank_node::base {
 public:
  rank_node_actor(caf::actor_config& config, rank_node_options options)
      : rank_node::base(config), options_(std::move(options)) {
    set_exit_handler([this](const caf::exit_msg& gone) { on_exit_message(gone); });
    set_down_handler([this](const caf::down_msg& down) {
      if (group_ && down.source == group_.address()) leave("the group is gone");
    });
  }

  const char* name() const override { return "rank_node"; }

  void on_exit() override {
    end_ranks();
    refuse_asker("its node ended");  // a promise holds both sides
    maker_ = nullptr;
    group_ = nullptr;
    options_.leave = nullptr;
  }

  behavior_type make_behavior() override {
    return {
        [this](form_ranks& ask) { return form(ask); },
        [this](const dissolve_ranks&) {
          end_ranks();
          refuse_asker("the group was dissolved");
        },
        [this](const beat&) { return heartbeat{.num_messages = mailbox().size()}; },
        [this](ranks_loaded& news) {
          maker_ = spawn_rank_maker(this, std::move(news.make));
          group_ = std::move(news.group);
          if (group_) monitor(group_);
        },
        [this](const dismiss_node& word) { leave(word.why); },
        [this](ranks_made& news) { take(news); },
    };
  }

 private:
  caf::result<ranks_formed> form(form_ranks& ask) {
    end_ranks();
    refuse_asker("the group formed anew");
    if (!maker_) return make_error({error_code::unavailable, "its weights are not loaded"});
    formation_ = ask.formation;
    rank_meeting meeting{.token = std::move(ask.token),
                         .places = std::move(ask.places),
                         .device_group = std::move(ask.device_group)};
    is_aborted_ = meeting.is_aborted;
    send(maker_, make_ranks{formation_, std::move(meeting), rank_listener{this}});
    return asker_.emplace(make_response_promise<ranks_formed>());
  }

  // What was made for a formation of before ends with the message.
  void take(ranks_made& news) {
    if (!asker_ || news.formation != formation_) return;
    if (!news.devices) {
      refuse_asker(news.devices.error().message);
      return;
    }
    devices_ = *std::move(news.devices);
    auto rank = options_.first_rank;
    for (auto& device : devices_) executors_.push_back(spawn_executor(this, device, rank++));
    std::exchange(asker_, std::nullopt)->deliver(ranks_formed{executors_});
  }

  void refuse_asker(const std::string& why) {
    if (!asker_) return;
    std::exchange(asker_, std::nullopt)->deliver(make_error({error_code::engine_failed, why}));
  }

  // Without `kill`: whoever is linked to an executor would die of that.
  void end_ranks() {
    if (is_aborted_) *is_aborted_ = true;
    for (auto& device : devices_) device->abort();
    for (auto& each : executors_) {
      unlink_from(each);
      former_.push_back(each.address());
      if (former_.size() > max_former) former_.pop_front();
      anon_send_exit(each, caf::exit_reason::user_shutdown);
    }
    executors_.clear();
    devices_.clear();
  }

  // An executor that fails is the replica's matter, which is linked to it, too; but the others of
  // this process must not wait for it.
  void on_exit_message(const caf::exit_msg& gone) {
    auto is_gone = [&](const auto& one) { return one == gone.source; };
    if (std::ranges::any_of(executors_, is_gone)) {
      for (auto& device : devices_) device->abort();
    } else if (gone.reason && std::ranges::none_of(former_, is_gone)) {
      quit(gone.reason);
    }
  }

  void leave(const std::string& why) {
    end_ranks();
    refuse_asker(why);
    if (auto leave = std::exchange(options_.leave, nullptr)) leave(why);
  }

  rank_node_options options_;
  rank_maker maker_;  // null: the weights are not loaded
  caf::actor group_;
  std::uint64_t formation_ = 0;
  std::shared_ptr<std::atomic<bool>> is_aborted_;  // of the last meeting
  std::optional<caf::typed_response_promise<ranks_formed>> asker_;
  std::vector<std::shared_ptr<runner>> devices_;  // by rank, of this process
  std::vector<executor> executors_;
  std::deque<caf::actor_addr> former_;  // whose last words may still come
};

}  // namespace

rank_node spawn_rank_node(caf::actor_system& system, rank_node_options options) {
  return system.spawn<rank_node_actor>(std::move(options));
}

}  // namespace troupe
