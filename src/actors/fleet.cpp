#include "actors/fleet.hpp"

#include "core/decode_knee.hpp"
#include "core/fleet_plan.hpp"
#include "core/load.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto period = 100ms;
constexpr auto scaling_period = 1s;
constexpr auto retire_patience = 10s;

struct replica_seat {
  std::unique_ptr<replica_process> process;  // null: somebody else started it
  std::uint32_t seat = 0;
  replica_state state = replica_state::starting;
  steady_time since{};  // of the state
  std::optional<join_fleet> joined;
  bool has_reported = true;  // since the last look
  std::uint32_t num_silent_looks = 0;
  bool is_retired = false;  // it may go, and nobody misses it
  load_report last;
  step_observed last_step;
  token_pace pace;
  decode_knee knee;
  std::uint32_t num_requests = 0;  // that the router gave it

  bool is_own() const { return process != nullptr; }
  bool is_serving() const { return state == replica_state::ready; }
};

class fleet_actor : public fleet::base {
 public:
  fleet_actor(caf::actor_config& config, fleet_options options, router routes, request_queue queue,
              meter observer)
      : fleet::base(config),
        options_(std::move(options)),
        router_(std::move(routes)),
        queue_(std::move(queue)),
        meter_(std::move(observer)),
        policy_(options_.scaling),
        backoff_(options_.restarts),
        num_wanted_(options_.scaling.min_replicas) {
    set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  }

  const char* name() const override { return "fleet"; }

  void on_exit() override {
    replicas_.clear();  // kills those that we started
    router_ = nullptr;
    queue_ = nullptr;
    meter_ = nullptr;
  }

  behavior_type make_behavior() override {
    last_serving_ = clock().now();
    observe();
    delayed_send(this, period, tick{});
    return {
        [this](const join_fleet& ask) { return let_in(ask); },
        [this](load_report& news) { note(news); },
        [this](const open_fleet& order) {
          launch_ = order.launch;
          manage();
        },
        [this](const renew_replicas&) { renew(); },
        [this](const ask_status&) { return status(); },
        [this](const tick&) { look(); },
    };
  }

 private:
  using replica_map = std::map<replica_id, replica_seat>;

  caf::result<fleet_joined> let_in(const join_fleet& ask) {
    if (ask.secret != options_.secret)
      return refuse("its --fleet-secret is not that of the fleet", "--fleet-secret");
    if (ask.model != options_.model)
      return refuse("it serves something else: " + ask.model + "; the fleet: " + options_.model,
                    "model");
    auto name = find_process(ask.pid);
    if (!name) {
      name = replica_id{next_name_++};
      replicas_[*name].since = clock().now();
    }
    auto& r = replicas_.at(*name);
    r.joined = ask;
    r.has_reported = true;
    monitor(ask.member);
    tell(note_level::info, word_for(*name) + " joined from " + ask.host);
    return fleet_joined{*name, options_.prefix_secret};
  }

  caf::error refuse(std::string why, std::string field) const {
    tell(note_level::warning, "a replica that wants to join is refused: " + why);
    return make_error({.code = error_code::invalid_argument,
                       .message = std::move(why),
                       .field = std::move(field)});
  }

  std::optional<replica_id> find_process(std::int64_t pid) const {
    for (auto& [name, r] : replicas_)
      if (r.is_own() && !r.joined && r.process->pid() == pid) return name;
    return std::nullopt;
  }

  void note(load_report& news) {
    auto it = replicas_.find(news.replica);
    if (it == replicas_.end() || !it->second.joined) {
      // Its link was cut and came back, and nothing of it told the member.
      send(caf::actor_cast<fleet_member>(current_sender()), retire{.may_return = true});
      return;
    }
    auto& r = it->second;
    r.has_reported = true;
    send(router_, prefixes_changed{.replica = news.replica,
                                   .is_new = news.pages.is_new,
                                   .changes = std::exchange(news.pages.prefixes, {})});
    pass_on(std::exchange(news.steps, {}), r);
    bool was_ready = r.last.ready;
    r.last = std::move(news);
    if (r.last.ready && r.state == replica_state::starting) become_ready(it->first, r);
    if (r.last.ready != was_ready && r.is_serving()) tell_open(it->first, r);
  }

  // The counts of a step are its own; how many run or wait is a sum.
  void pass_on(std::vector<step_observed> steps, replica_seat& r) {
    for (auto& step : steps) {
      r.last_step = step;
      r.pace.note(step.prefill_tokens, step.prefill_tokens + step.decode_tokens, step.seconds);
      if (only_decodes(step)) r.knee.note(step.decode_tokens, step.seconds);
      step.num_running = step.num_waiting = step.num_constrained = 0;
      step.pending_tokens = 0;
      for (auto& [name, each] : replicas_) {
        step.num_running += each.last_step.num_running;
        step.num_waiting += each.last_step.num_waiting;
        step.num_constrained += each.last_step.num_constrained;
        step.pending_tokens += each.last_step.pending_tokens;
      }
      send(meter_, std::move(step));
    }
  }

  void become_ready(replica_id name, replica_seat& r) {
    auto& who = *r.joined;
    // Some steps of prompts ahead: what is held back for longer loses more than a better choice
    // gains.
    send(router_,
         replica_joined{name,
                        who.door,
                        {.max_num_seqs = who.max_num_seqs,
                         .num_pages = who.num_pages,
                         .max_pending_tokens = 16 * std::uint64_t{who.max_num_batched_tokens}}});
    send(router_, replica_opened{name, false});
    if (r.is_own()) backoff_.became_ready(clock().now());
    enter(r, replica_state::standby);
    manage();
  }

  void on_down(const caf::down_msg& down) {
    for (auto& [name, r] : replicas_)
      if (r.joined && r.joined->member.address() == down.source)
        return lose(name, "its connection ended");
  }

  void lose(replica_id name, const std::string& why) {
    auto node = replicas_.extract(name);
    if (node.empty()) return;
    auto& r = node.mapped();
    send(router_, replica_left{name, why});
    to_renew_.erase(name);
    if (r.is_retired) {
      tell(note_level::info, word_for(name) + " has left");
    } else {
      ++num_lost_;
      tell(note_level::error, word_for(name) + " is lost: " + why);
      if (r.is_own()) plan_restart();
    }
    if (r.is_own()) leaving_.push_back(std::move(r.process));  // killed and reaped at the next look
    manage();
  }

  void plan_restart() {
    auto now = clock().now();
    auto plan = backoff_.died(now);
    next_start_ = now + plan.delay;
    if (plan.is_degraded)
      tell(note_level::error, std::to_string(plan.num_deaths_in_row) +
                                  " replicas died in a row; the next one starts in " +
                                  std::to_string(plan.delay.count()) + " ms");
  }

  void look() {
    delayed_send(this, period, tick{});
    leaving_.clear();
    std::vector<std::pair<replica_id, std::string>> lost;
    auto now = clock().now();
    for (auto& [name, r] : replicas_)
      if (auto why = find_loss(r, now)) lost.emplace_back(name, *why);
    for (auto& [name, why] : lost) lose(name, why);
    ask_others();
    if (now - last_decision_ >= scaling_period) scale(now);
    manage();
    mind_the_gap(now);
    observe();
  }

  // A silence is counted in looks of ours: while nobody gave us time, nobody was silent.
  std::optional<std::string> find_loss(replica_seat& r, steady_time now) const {
    if (r.is_own())
      if (auto end = r.process->find_end()) return *end;
    if (r.state == replica_state::draining && r.is_retired && now - r.since > retire_patience)
      return "it did not leave when it should";
    if (!r.joined) {
      if (now - r.since > options_.start_limit) return "it took too long to start";
      return std::nullopt;
    }
    r.num_silent_looks = std::exchange(r.has_reported, false) ? 0 : r.num_silent_looks + 1;
    if (r.num_silent_looks * period > options_.silence)
      return "it has been silent for " + std::to_string(options_.silence.count()) + " ms";
    return std::nullopt;
  }

  void ask_others() {
    if (std::exchange(is_asking_, true)) return;
    request(router_, caf::infinite, ask_routes{})
        .then([this](const route_status& now) { note_routes(now); },
              [this](const caf::error& error) { quit(error); });
    request(queue_, caf::infinite, beat{})
        .then(
            [this](const heartbeat& now) {
              queue_beat_ = now;
              queue_beat_at_ = clock().now();
            },
            [this](const caf::error& error) { quit(error); });
  }

  void note_routes(const route_status& now) {
    is_asking_ = false;
    routes_ = now;
    for (auto& [name, num_requests] : now.outstanding)
      if (auto it = replicas_.find(name); it != replicas_.end())
        it->second.num_requests = num_requests;
    for (auto& [name, r] : replicas_)
      if (r.state == replica_state::draining && r.num_requests == 0 && !r.is_retired) {
        r.is_retired = true;
        r.since = clock().now();
        send(r.joined->member, retire{});
      }
  }

  template <class Condition>
  std::uint32_t count(const Condition& is_meant) const {
    return static_cast<std::uint32_t>(std::ranges::count_if(
        replicas_, [&](const auto& entry) { return is_meant(entry.second); }));
  }
  std::uint32_t num_own_serving() const {
    return count([](const replica_seat& r) { return r.is_own() && r.is_serving(); });
  }

  static replica_signs signs_of(const replica_seat& r) {
    auto& pages = r.last.pages;
    double num_pages = std::max(1U, pages.num_pages);
    return {.kv_pages_share = pages.num_used / num_pages,
            .num_requests = r.num_requests,
            .num_seats = r.knee.num_seqs(std::max(1U, r.joined->max_num_seqs)),
            .pending_tokens = r.last_step.pending_tokens,
            .seconds_per_token = r.pace.seconds_per_token()};
  }

  double load_now() const {
    std::vector<replica_signs> serving;
    for (auto& [name, r] : replicas_)
      if (r.is_serving()) serving.push_back(signs_of(r));
    return measure_fleet_load(serving,
                              {.num_requests = queue_beat_.num_requests + routes_.num_stranded,
                               .num_tokens = queue_beat_.num_tokens + routes_.num_stranded_tokens});
  }

  void scale(steady_time now) {
    last_decision_ = now;
    if (options_.scaling.max_replicas == 0) return;
    auto num_serving = std::min(num_own_serving(), num_wanted_);
    auto decision = policy_.decide(
        {.now = now,
         .num_ready = num_serving,
         .num_starting = num_wanted_ - num_serving,
         .num_draining = count([](auto& r) { return r.state == replica_state::draining; }),
         .load = load_now(),
         .minute_of_week = options_.minute_of_week()});
    bounds_ = {decision.min_now, decision.max_now};
    if (decision.change == 0) return;
    (decision.change > 0 ? num_out_ : num_in_) += 1;
    num_wanted_ =
        static_cast<std::uint32_t>(static_cast<std::int32_t>(num_wanted_) + decision.change);
    tell(note_level::info,
         std::to_string(num_wanted_) + " replicas are wanted from now on: " + decision.reason);
  }

  // Makes what is there what is wanted: every change of either ends here.
  void manage() {
    if (!launch_ && options_.scaling.max_replicas > 0) return;
    fleet_view now{.num_wanted = num_wanted_, .num_standby = options_.num_standby};
    for (auto& [name, r] : replicas_)
      now.replicas.push_back({.name = name,
                              .state = r.state,
                              .is_own = r.is_own(),
                              .is_to_renew = to_renew_.contains(name),
                              .num_requests = r.num_requests});
    auto plan = plan_fleet(now);
    for (auto name : plan.open) open(name, replicas_.at(name));
    for (auto name : plan.close) close(name, replicas_.at(name));
    for (; plan.num_to_start > 0 && clock().now() >= next_start_; --plan.num_to_start)
      if (!start_one()) return;
  }

  void open(replica_id name, replica_seat& r) {
    enter(r, replica_state::ready);
    tell_open(name, r);
    tell(note_level::info, word_for(name) + " takes work");
    last_serving_ = clock().now();
    if (!std::exchange(is_closed_, false)) return;
    send(queue_, reopen{});
    send(router_, reopen{});
  }

  void tell_open(replica_id name, const replica_seat& r) {
    send(router_, replica_opened{name, r.is_serving() && r.last.ready});
  }

  void close(replica_id name, replica_seat& r) {
    to_renew_.erase(name);
    tell(note_level::info, word_for(name) + " gets no more work");
    enter(r, replica_state::draining);
    send(router_, replica_opened{name, false});
  }

  bool start_one() {
    auto seat = free_seat();
    auto process = launch_(seat);
    if (!process) {
      tell(note_level::error, process.error().message);
      plan_restart();
      return false;
    }
    auto name = replica_id{next_name_++};
    auto& r = replicas_[name];
    r.process = *std::move(process);
    r.seat = seat;
    r.since = clock().now();
    tell(note_level::info,
         word_for(name) + " starts (pid " + std::to_string(r.process->pid()) + ")");
    return true;
  }

  std::uint32_t free_seat() const {
    for (std::uint32_t seat = 0;; ++seat)
      if (count([&](const replica_seat& r) { return r.is_own() && r.seat == seat; }) == 0)
        return seat;
  }

  void enter(replica_seat& r, replica_state state) {
    r.state = state;
    r.since = clock().now();
  }

  void renew() {
    for (auto& [name, r] : replicas_)
      if (r.is_own() && r.is_serving()) to_renew_.insert(name);
    tell(note_level::info,
         std::to_string(to_renew_.size()) + " replicas are renewed, one after the other");
    manage();
  }

  // Without anybody who serves, those who wait hear so after a while; at once when replicas die and
  // die.
  void mind_the_gap(steady_time now) {
    if (count([](const replica_seat& r) { return r.is_serving(); }) > 0) {
      last_serving_ = now;
      return;
    }
    bool is_hopeless = backoff_.is_degraded() || now - last_serving_ > options_.patience;
    if (!is_hopeless || std::exchange(is_closed_, true)) return;
    drain ask{.why = {.code = error_code::unavailable,
                      .message = "no replica serves: " + describe_absence(),
                      .retry_after = 10s},
              .end_waiting = true};
    send(queue_, ask);
    send(router_, std::move(ask));
  }

  std::string describe_absence() const {
    return backoff_.is_degraded() ? "they die while they start or soon after" : "none is ready yet";
  }

  void tell(note_level level, const std::string& text) const {
    if (options_.tell) options_.tell(level, text);
  }
  static std::string word_for(replica_id name) { return "replica " + std::to_string(name.value); }

  replica_status status() const {
    replica_status now{.num_restarts = static_cast<std::uint32_t>(num_lost_)};
    auto time = clock().now();
    now.parts.push_back({.actor = "queue",
                         .has_answered = true,
                         .last_beat = queue_beat_at_ == steady_time{} ? time : queue_beat_at_,
                         .last = queue_beat_});
    for (auto& [name, r] : replicas_)
      now.parts.push_back({.actor = word_for(name),
                           .has_answered = r.joined.has_value(),
                           .last_beat = time,
                           .last = {.num_requests = r.num_requests},
                           .trouble = trouble_of(r)});
    auto num_serving = count([](auto& r) { return r.is_serving() && r.last.ready; });
    if (num_serving == 0) now.reason = "no replica serves: " + describe_absence();
    now.ready = num_serving > 0;
    return now;
  }

  static std::string trouble_of(const replica_seat& r) {
    if (!r.joined) return "starting";
    return r.last.ready ? std::string{} : r.last.reason;
  }

  void observe() {
    fleet_observed now{.num_lost = num_lost_,
                       .num_resumed = routes_.num_resumed,
                       .num_out = num_out_,
                       .num_in = num_in_,
                       .num_stranded = routes_.num_stranded,
                       .min_replicas = bounds_.min_replicas,
                       .max_replicas = bounds_.max_replicas,
                       .load = load_now()};
    pages_observed pages;
    for (auto& [name, r] : replicas_) {
      now.replicas.push_back(
          {.name = name.value,
           .state = r.is_serving() && !r.last.ready ? replica_state::failed : r.state,
           .load = r.joined ? measure_replica_load(signs_of(r)) : 0,
           .num_requests = r.num_requests});
      pages.num_used += r.last.pages.num_used;
      pages.num_cached += r.last.pages.num_cached;
      pages.num_pages += r.last.pages.num_pages;
      pages.queried_tokens += r.last.pages.queried_tokens;
      pages.hit_tokens += r.last.pages.hit_tokens;
    }
    send(meter_, std::move(now));
    send(meter_, std::move(pages));
    auto word = status();
    send(meter_, replica_observed{.ready = word.ready,
                                  .num_restarts = word.num_restarts,
                                  .num_messages = mailbox().size(),
                                  .parts = std::move(word.parts)});
  }

  fleet_options options_;
  router router_;
  request_queue queue_;
  meter meter_;
  replica_launcher launch_;
  scaling_policy policy_;
  restart_backoff backoff_;
  replica_map replicas_;
  std::vector<std::unique_ptr<replica_process>> leaving_;
  std::set<replica_id> to_renew_;
  std::uint64_t next_name_ = 1;
  std::uint32_t num_wanted_;  // of our own, serving
  replica_bounds bounds_;
  steady_time next_start_{}, last_decision_{}, last_serving_{}, queue_beat_at_{};
  heartbeat queue_beat_;
  route_status routes_;
  std::uint64_t num_lost_ = 0, num_out_ = 0, num_in_ = 0;
  bool is_asking_ = false;
  bool is_closed_ = false;  // the queue
};

}  // namespace

fleet spawn_fleet(caf::actor_system& system, fleet_options options, router routes,
                  request_queue queue, meter observer) {
  return system.spawn<fleet_actor>(std::move(options), std::move(routes), std::move(queue),
                                   std::move(observer));
}

}  // namespace troupe
