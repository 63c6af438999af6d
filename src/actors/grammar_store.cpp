#include "actors/grammar_store.hpp"

#include "core/grammar_cache.hpp"

#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto look_period = 50ms;
// A compiler that bounds its own work to the limit comes back within this.
constexpr auto grace = 250ms;
// Whatever was too slow on a busy machine may be tried again after this.
constexpr auto slow_is_known_for = 60s;

class grammar_store_actor : public grammar_store::base {
 public:
  grammar_store_actor(caf::actor_config& config, const grammar_store_options& options,
                      meter observer, grammar_maker_factory hire)
      : grammar_store::base(config),
        options_(options),
        meter_(std::move(observer)),
        hire_(std::move(hire)),
        cache_(options.max_cache_bytes, options.max_cache_entries) {}

  const char* name() const override { return "grammar_store"; }

  void on_exit() override {
    auto closed = make_error({.code = error_code::shutting_down, .message = "the server stops"});
    for (auto& [key, waiting] : jobs_)
      for (auto& promise : waiting.askers) promise.deliver(closed);
    jobs_.clear();
    for (auto& maker : idle_) dismiss(maker);
    for (auto& [number, busy] : running_) dismiss(busy.maker);
    for (auto& [number, maker] : lost_) dismiss(maker);
    idle_.clear();
    running_.clear();
    lost_.clear();
    hire_ = nullptr;
    meter_ = nullptr;
  }

  behavior_type make_behavior() override {
    for (std::size_t i = 0; i < options_.num_makers; ++i) idle_.push_back(hire_(this));
    return {
        [this](const compile_grammar& ask) { return serve(ask.source); },
        [this](const ask_cached_bytes&) { return cached_bytes{cache_.num_bytes()}; },
        [this](const beat&) { return health(); },
        [this](const tick&) { look_at_time(); },
    };
  }

 private:
  using asker = caf::typed_response_promise<grammar_compiled>;
  struct job {
    grammar_source_ptr source;
    std::vector<asker> askers;
    steady_time since;
  };
  struct running_job {
    grammar_maker maker;
    std::string_view key;  // of a job
    steady_time started;
  };

  caf::result<grammar_compiled> serve(const grammar_source_ptr& source) {
    auto now = clock().now();
    if (auto* known = cache_.find(source->key(), now)) {
      ++news_.num_hits;
      if (!*known) count_refusal(known->error().code);
      observe();
      return grammar_compiled{std::make_shared<const grammar_outcome<bound_grammar>>(*known)};
    }
    if (!jobs_.contains(source->key())) {
      if (waiting_.size() >= options_.max_waiting) return refuse_for_load();
      jobs_.emplace(source->key(), job{.source = source, .askers = {}, .since = now});
      waiting_.push_back(source->key());
    }
    ++news_.num_misses;
    auto promise = make_response_promise<grammar_compiled>();
    jobs_.find(source->key())->second.askers.push_back(promise);
    start_jobs();
    keep_time();
    observe();
    return promise;
  }

  caf::error refuse_for_load() {
    count_refusal(error_code::queue_full);
    observe();
    return make_error(
        {.code = error_code::queue_full,
         .message = std::to_string(waiting_.size()) + " other grammars wait to be compiled",
         .retry_after = options_.compile_limit});
  }

  void start_jobs() {
    while (!waiting_.empty() && !idle_.empty()) {
      auto& next = jobs_.find(waiting_.front())->second;
      waiting_.pop_front();
      auto number = ++num_started_;
      auto now = clock().now();
      auto maker = std::move(idle_.back());
      idle_.pop_back();
      running_.emplace(number, running_job{maker, next.source->key(), now});
      request(maker, caf::infinite, make_grammar{next.source})
          .then([this, number](grammar_made& answer) { on_made(number, std::move(answer)); },
                [this, number](const caf::error& error) { on_failure(number, error); });
    }
  }

  void on_made(std::uint64_t number, grammar_made answer) {
    if (take_back(number)) return;
    auto busy = stop_running(number);
    idle_.push_back(std::move(busy.maker));
    news_.compile_seconds = answer.seconds;
    auto good_until = steady_time::max();
    if (!answer.made && answer.made.error().code == error_code::timed_out) {
      // The compiler saw it itself. The source is the matter, no deadline of the request.
      answer.made = grammar_refusal{error_code::too_large, answer.made.error().why};
      good_until = clock().now() + slow_is_known_for;
    }
    finish(busy.key, std::move(answer.made), good_until);
  }

  void on_failure(std::uint64_t number, const caf::error& error) {
    if (take_back(number)) return;
    auto busy = stop_running(number);
    auto why = to_failure(error);
    bool is_alive = why.code == error_code::constraint_failed;
    idle_.push_back(is_alive ? std::move(busy.maker) : hire_(this));
    count_refusal(error_code::constraint_failed);
    why.code = error_code::constraint_failed;
    end(busy.key, [&](asker& promise) { promise.deliver(make_error(why)); });
  }

  running_job stop_running(std::uint64_t number) {
    auto it = running_.find(number);
    auto busy = std::move(it->second);
    running_.erase(it);
    return busy;
  }

  // A maker that was given up is here again; its place may be taken.
  bool take_back(std::uint64_t number) {
    auto it = lost_.find(number);
    if (it == lost_.end()) return false;
    auto maker = std::move(it->second);
    lost_.erase(it);
    if (idle_.size() + running_.size() < options_.num_makers)
      idle_.push_back(std::move(maker));
    else
      dismiss(maker);
    start_jobs();
    observe();
    return true;
  }

  void finish(std::string_view key, grammar_outcome<bound_grammar> made, steady_time good_until) {
    if (!made) count_refusal(made.error().code, jobs_.find(key)->second.askers.size());
    auto shared = std::make_shared<const grammar_outcome<bound_grammar>>(std::move(made));
    cache_.add(std::string(key), *shared, good_until);
    end(key, [&](asker& promise) { promise.deliver(grammar_compiled{shared}); });
  }

  // Tells everybody who waits for it; `key` is of no use then.
  template <class Tell>
  void end(std::string_view key, const Tell& tell) {
    auto ended = std::move(jobs_.extract(key).mapped());
    for (auto& promise : ended.askers) tell(promise);
    start_jobs();
    observe();
  }

  void look_at_time() {
    is_ticking_ = false;
    auto now = clock().now();
    std::vector<std::uint64_t> late;
    for (auto& [number, busy] : running_)
      if (now - busy.started > options_.compile_limit + grace) late.push_back(number);
    for (auto number : late) give_up(number);
    while (!waiting_.empty() &&
           now - jobs_.find(waiting_.front())->second.since > options_.max_wait) {
      auto overload = refuse_for_load();
      auto key = waiting_.front();
      waiting_.pop_front();
      end(key, [&](asker& promise) { promise.deliver(overload); });
    }
    if (!jobs_.empty()) keep_time();
  }

  void give_up(std::uint64_t number) {
    auto busy = stop_running(number);
    lost_.emplace(number, std::move(busy.maker));
    if (lost_.size() <= options_.max_lost_makers) idle_.push_back(hire_(this));
    char limit[32];
    std::snprintf(limit, sizeof limit, "%g s",
                  std::chrono::duration<double>(options_.compile_limit).count());
    auto why = refuse_grammar(error_code::too_large, "", "",
                              std::string("compiling takes longer than ") + limit);
    finish(busy.key, std::move(why), clock().now() + slow_is_known_for);
  }

  heartbeat health() {
    heartbeat answer{.num_messages = mailbox().size(),
                     .num_requests = static_cast<std::uint32_t>(waiting_.size())};
    if (!waiting_.empty()) answer.since = jobs_.find(waiting_.front())->second.since;
    return answer;
  }

  void keep_time() {
    if (!std::exchange(is_ticking_, true)) delayed_send(this, look_period, tick{});
  }

  void count_refusal(error_code why, std::size_t num_askers = 1) {
    news_.num_refused[why] += num_askers;
  }

  void observe() {
    news_.num_entries = cache_.size();
    news_.num_bytes = cache_.num_bytes();
    news_.num_waiting = static_cast<std::uint32_t>(waiting_.size());
    news_.num_lost_makers = static_cast<std::uint32_t>(lost_.size());
    send(meter_, news_);
    news_.compile_seconds.reset();
  }

  void dismiss(grammar_maker& maker) { anon_send_exit(maker, caf::exit_reason::user_shutdown); }

  grammar_store_options options_;
  meter meter_;
  grammar_maker_factory hire_;
  grammar_cache cache_;
  std::unordered_map<std::string_view, job> jobs_;  // by the key that the source itself holds
  std::deque<std::string_view> waiting_;            // jobs that no maker has, oldest first
  std::vector<grammar_maker> idle_;
  std::unordered_map<std::uint64_t, running_job> running_;
  std::unordered_map<std::uint64_t, grammar_maker> lost_;
  std::uint64_t num_started_ = 0;
  grammar_observed news_;  // counts since the start
  bool is_ticking_ = false;
};

}  // namespace

grammar_store spawn_grammar_store(caf::actor_system& system, const grammar_store_options& options,
                                  meter observer, grammar_maker_factory hire) {
  return system.spawn<grammar_store_actor>(options, std::move(observer), std::move(hire));
}

}  // namespace troupe
