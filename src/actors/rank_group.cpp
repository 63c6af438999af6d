#include "actors/rank_group.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto period = 100ms;

class rank_group_actor : public rank_group::base {
 public:
  rank_group_actor(caf::actor_config& config, group_options options, rank_node first)
      : rank_group::base(config),
        options_(std::move(options)),
        roster_(options_.num_nodes, options_.ranks_per_node),
        members_(options_.num_nodes),
        own_(options_.num_nodes) {
    members_.front() = {.who = std::move(first), .place = options_.place};
    set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  }

  const char* name() const override { return "rank_group"; }

  void on_exit() override {
    for (auto& each : own_) each.process.reset();  // killed
    refuse_asker();                                // a promise holds both sides
    formed_.clear();
    members_.clear();
    listener_ = nullptr;
    launch_ = nullptr;
    options_.tell = nullptr;
  }

  behavior_type make_behavior() override {
    delayed_send(this, period, tick{});
    return {
        [this](const join_group& ask) { return let_in(ask); },
        [this](const node_loaded& news) { note_loaded(news); },
        [this](const open_group& order) {
          launch_ = order.launch;
          start_missing();
        },
        [this](const form_group& ask) { return begin(ask); },
        [this](const dissolve_group&) { dissolve(); },
        [this](const tick&) { look(); },
    };
  }

 private:
  struct member {
    rank_node who;
    std::string place;
    bool is_asked = false;  // has a beat to answer
  };
  struct own_process {
    std::unique_ptr<replica_process> process;
    restart_backoff backoff;
    steady_time next_start{};
  };

  caf::result<group_joined> let_in(const join_group& ask) {
    if (ask.secret != options_.secret)
      return refuse(ask, {error_code::invalid_argument,
                          "its --fleet-secret is not that of the group", "--fleet-secret"});
    auto difference = describe_difference(options_.terms, ask.terms);
    if (!difference.empty())
      return refuse(ask, {error_code::invalid_argument,
                          "its ranks would compute something else: " + difference, "model"});
    if (auto seat = roster_.join(ask.number, ask.host); !seat) return refuse(ask, seat.error());
    members_[ask.number] = {.who = ask.who};
    monitor(ask.who);
    tell(false, word_for(ask.number) + " joined from " + ask.host);
    tell_listener();
    return group_joined{options_.num_pages};
  }

  caf::error refuse(const join_group& ask, const failure& why) const {
    tell(true, "node " + std::to_string(ask.number) + " from " + ask.host +
                   ", which wants to join, is refused: " + why.message);
    return make_error(why);
  }

  bool is_member(std::uint32_t number, const rank_node& who) const {
    return roster_.is_here(number) && members_[number].who == who;
  }

  void note_loaded(const node_loaded& news) {
    if (!is_member(news.number, news.who)) {
      send(news.who, dismiss_node{"the group does not know it"});
      return;
    }
    members_[news.number].place = news.place;
    roster_.note_loaded(news.number);
    own_[news.number].backoff.became_ready(clock().now());
    tell_listener();
    try_to_form();
  }

  void on_down(const caf::down_msg& down) {
    for (std::uint32_t i = 1; i < members_.size(); ++i)
      if (members_[i].who && members_[i].who.address() == down.source)
        return lose(i, "its connection ended");
  }

  void lose(std::uint32_t number, const std::string& why) {
    if (!roster_.remove(number)) return;
    auto gone = std::exchange(members_[number], {});
    demonitor(gone.who.address());
    send(gone.who, dismiss_node{"the group gave it up: " + why});
    auto what = word_for(number) + " is lost: " + why;
    tell(true, what);
    if (own_[number].process) end_own(number);
    fail_formation(what);
    tell_listener();
  }

  // Its listener hears of a formation only that was answered.
  void fail_formation(const std::string& why) {
    const bool was_answered = is_formed_;
    end_ranks();
    if (was_answered && listener_) send(listener_, ranks_lost{formation_, why});
  }

  void end_ranks() {
    is_formed_ = is_forming_ = false;
    for (auto& each : members_)
      if (each.who) send(each.who, dissolve_ranks{});
  }

  caf::result<group_formed> begin(const form_group& ask) {
    end_ranks();
    refuse_asker();
    listener_ = ask.listener;
    tell_listener();
    asker_ = make_response_promise<group_formed>();
    try_to_form();
    return asker_;
  }

  void dissolve() {
    end_ranks();
    refuse_asker();
    listener_ = nullptr;
  }

  void refuse_asker() {
    if (!asker_.pending()) return;
    std::exchange(asker_, {})
        .deliver(make_error({error_code::unavailable, "the group was dissolved"}));
  }

  void try_to_form() {
    if (!asker_.pending() || is_forming_ || !roster_.is_complete() || clock().now() < next_try_)
      return;
    form_ranks order{.formation = ++formation_, .token = options_.draw_token()};
    for (auto& each : members_) order.places.push_back(each.place);
    if (options_.make_device_group) {
      auto group = options_.make_device_group();
      if (!group) return put_off(group.error().message);
      order.device_group = *std::move(group);
    }
    is_forming_ = true;
    formed_.clear();
    for (std::uint32_t i = 0; i < members_.size(); ++i)
      request(members_[i].who, caf::infinite, order)
          .then([this, i, n = formation_](ranks_formed& made) { take(n, i, made); },
                [this, i, n = formation_](const caf::error& why) {
                  if (n == formation_ && is_forming_)
                    put_off(word_for(i) + ": " + to_failure(why).message);
                });
  }

  void take(std::uint64_t formation, std::uint32_t number, ranks_formed& made) {
    if (formation != formation_ || !is_forming_) return;
    if (made.executors.size() != options_.ranks_per_node)
      return put_off(word_for(number) + " answers with another number of ranks");
    formed_[number] = std::move(made.executors);
    if (formed_.size() < members_.size()) return;
    is_forming_ = false;
    is_formed_ = true;
    group_formed all{.formation = formation_};
    for (auto& [who, executors] : formed_)
      for (auto& each : executors) all.executors.push_back(std::move(each));
    formed_.clear();
    tell(false, "the ranks of " + std::to_string(members_.size()) + " nodes have met");
    std::exchange(asker_, {}).deliver(std::move(all));
  }

  void put_off(const std::string& why) {
    tell(true, "the ranks do not meet: " + why);
    end_ranks();
    next_try_ = clock().now() + options_.form_pause;
  }

  void look() {
    delayed_send(this, period, tick{});
    leaving_.clear();
    // A silence is counted in looks of ours: while nobody gave us time, nobody was silent.
    for (auto number : roster_.find_silent(static_cast<std::uint32_t>(options_.silence / period)))
      lose(number, "it has been silent for " + std::to_string(options_.silence.count()) + " ms");
    for (std::uint32_t i = 1; i < members_.size(); ++i) ask_beat(i);
    for (std::uint32_t i = 1; i < own_.size(); ++i) look_at_own(i);
    start_missing();
    try_to_form();
  }

  void ask_beat(std::uint32_t number) {
    auto& one = members_[number];
    if (!one.who || std::exchange(one.is_asked, true)) return;
    request(one.who, caf::infinite, beat{})
        .then(
            [this, number, who = one.who](const heartbeat&) {
              if (!is_member(number, who)) return;
              members_[number].is_asked = false;
              roster_.note_word(number);
            },
            [](const caf::error&) {});  // its silence tells the story, or its end
  }

  void look_at_own(std::uint32_t number) {
    auto& one = own_[number];
    if (!one.process) return;
    auto end = one.process->find_end();
    if (!end) return;
    if (roster_.is_here(number)) return lose(number, *end);
    tell(true, word_for(number) + " ended: " + *end);
    end_own(number);
  }

  // Killed and reaped at the next look.
  void end_own(std::uint32_t number) {
    auto& one = own_[number];
    leaving_.push_back(std::move(one.process));
    auto plan = one.backoff.died(clock().now());
    one.next_start = clock().now() + plan.delay;
  }

  void start_missing() {
    if (!launch_) return;
    for (std::uint32_t i = 1; i < own_.size(); ++i) {
      auto& one = own_[i];
      if (one.process || clock().now() < one.next_start) continue;
      auto started = launch_(i);
      if (started) {
        one.process = *std::move(started);
        tell(false, word_for(i) + " starts (pid " + std::to_string(one.process->pid()) + ")");
      } else {
        tell(true, started.error().message);
        one.next_start = clock().now() + one.backoff.died(clock().now()).delay;
      }
    }
  }

  void tell_listener() {
    if (listener_)
      send(listener_, group_changed{.num_ranks = options_.num_nodes * options_.ranks_per_node,
                                    .num_ranks_present = roster_.num_ranks_present(),
                                    .missing = roster_.describe_missing()});
  }
  void tell(bool is_bad, const std::string& text) const {
    if (options_.tell) options_.tell(is_bad, text);
  }
  static std::string word_for(std::uint32_t number) { return "node " + std::to_string(number); }

  group_options options_;
  node_roster roster_;
  std::vector<member> members_;   // by node; 0 is of this process
  std::vector<own_process> own_;  // by node: those that we started
  std::vector<std::unique_ptr<replica_process>> leaving_;
  node_launcher launch_;
  group_listener listener_;
  caf::typed_response_promise<group_formed> asker_;
  std::map<std::uint32_t, std::vector<executor>> formed_;  // by node, while it forms
  std::uint64_t formation_ = 0;
  steady_time next_try_{};
  bool is_forming_ = false, is_formed_ = false;
};

}  // namespace

rank_group spawn_rank_group(caf::actor_system& system, group_options options, rank_node first) {
  return system.spawn<rank_group_actor>(std::move(options), std::move(first));
}

}  // namespace troupe
