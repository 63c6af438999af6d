#include "actors/request_queue.hpp"

#include "core/plan_step.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <utility>

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto deadline_period = 50ms;
constexpr std::size_t max_forwarded = 256;

class request_queue_actor : public request_queue::base {
 public:
  request_queue_actor(caf::actor_config& config, const engine_limits& limits, meter observer)
      : request_queue::base(config), limits_(limits), meter_(std::move(observer)) {
    set_down_handler([this](const caf::down_msg& down) {
      std::erase_if(takers_, [&](const request_taker& t) { return t.address() == down.source; });
      std::erase_if(idle_, [&](const request_taker& t) { return t.address() == down.source; });
    });
  }

  const char* name() const override { return "request_queue"; }

  void on_exit() override {
    waiting_.clear();  // every reader hears that its request failed
    takers_.clear();
    idle_.clear();
    meter_ = nullptr;
  }

  behavior_type make_behavior() override {
    return {
        [this](submit& ask) { return admit(ask); },
        [this](const cancel& gone) { end_or_forward(gone); },
        [this](const take& ask) { return serve(ask); },
        [this](take_back& ask) { put_first(ask.requests); },
        [this](const drain& ask) { close(ask); },
        [this](const reopen&) {
          if (is_shutting_down()) return;
          closed_.reset();
          ends_waiting_ = false;
        },
        [this](const beat&) { return health(); },
        [this](const tick&) { end_overdue(); },
    };
  }

 private:
  struct waiting_request {
    admitted_request entry;
    steady_time queue_deadline;
  };
  // Most urgent first, then oldest first.
  using order = std::pair<std::int32_t, std::uint64_t>;

  caf::result<accepted> admit(submit& ask) {
    if (closed_)
      return refuse(*closed_,
                    is_shutting_down() ? refusal_reason::draining : refusal_reason::engine_failed);
    if (auto misfit = find_misfit(ask.request, limits_))
      return refuse(std::move(*misfit), refusal_reason::prompt_too_long);
    auto num_tokens = ask.request.prompt.size();
    if (waiting_.size() >= limits_.max_waiting_requests ||
        num_waiting_tokens_ + num_tokens > limits_.max_waiting_tokens)
      return refuse(overload(), refusal_reason::queue_full);
    ask.request.queued = clock().now();
    auto id = ask.request.id;
    order place{ask.request.priority, next_serial_++};
    auto it = waiting_
                  .emplace(place, waiting_request{{std::move(ask.request),
                                                   std::make_shared<ending>(id, ask.reader)},
                                                  clock().now() + limits_.queue_timeout})
                  .first;
    num_waiting_tokens_ += num_tokens;
    auto num_ahead = static_cast<std::uint32_t>(std::distance(waiting_.begin(), it));
    tell_of_work();
    return accepted{num_ahead};
  }

  void tell_of_work() {
    for (auto& taker : std::exchange(idle_, {})) send(taker, work_waiting{});
    keep_time();
    observe();
  }

  // They had their turn already: only their own deadlines end them.
  void put_first(std::vector<admitted_request>& requests) {
    for (auto one = requests.rbegin(); one != requests.rend(); ++one) {
      order place{one->request.priority, --first_serial_};
      num_waiting_tokens_ += one->request.prompt.size();
      auto it = waiting_.emplace(place, waiting_request{std::move(*one), steady_time::max()}).first;
      auto gone = std::ranges::find(forwarded_, it->second.entry.request.id, &cancel::request);
      if (gone != forwarded_.end())
        end(it, gone->why, {});
      else if (ends_waiting_)
        end(it, finish_reason::failed, *closed_);
    }
    tell_of_work();
  }

  caf::error refuse(failure why, refusal_reason word) {
    send(meter_, refusal_observed{word});
    return make_error(why);
  }

  failure overload() {
    return {.code = error_code::queue_full,
            .message = "the queue is full: " + std::to_string(waiting_.size()) + " requests with " +
                       std::to_string(num_waiting_tokens_) + " prompt tokens wait",
            .retry_after = retry_after()};
  }

  // As long as the queue took to let its oldest request wait: what a newcomer would meet.
  std::chrono::milliseconds retry_after() {
    auto now = clock().now();
    auto age = now - oldest().value_or(now);
    return std::max<std::chrono::milliseconds>(
        1s, std::chrono::duration_cast<std::chrono::milliseconds>(age));
  }

  std::optional<steady_time> oldest() const {
    std::optional<steady_time> first;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      auto& [place, w] = *it;
      first = std::min(first.value_or(steady_time::max()), w.entry.request.queued);
      // The others of this priority came later.
      it = waiting_.upper_bound({place.first, std::numeric_limits<std::uint64_t>::max()});
    }
    return first;
  }

  heartbeat health() {
    return {.num_messages = mailbox().size(),
            .num_requests = static_cast<std::uint32_t>(waiting_.size()),
            .num_tokens = num_waiting_tokens_,
            .since = oldest().value_or(steady_time{})};
  }

  void end_or_forward(const cancel& gone) {
    auto it = std::ranges::find_if(
        waiting_, [&](const auto& w) { return w.second.entry.request.id == gone.request; });
    if (it == waiting_.end()) {
      for (auto& taker : takers_) send(taker, gone);
      // Or the request is on its way back to us.
      forwarded_.push_back(gone);
      if (forwarded_.size() > max_forwarded) forwarded_.pop_front();
      return;
    }
    end(it, gone.why, {});
    observe();
  }

  taken serve(const take& ask) {
    remember(ask.taker);
    taken answer;
    auto pages_left = ask.max_prompt_pages;
    while (!waiting_.empty() && answer.requests.size() < ask.max_requests) {
      auto& first = waiting_.begin()->second.entry.request;
      auto num_pages = pages_for(first.prompt.size() + first.generated.size());
      if (num_pages > pages_left) break;
      pages_left -= num_pages;
      auto request = std::move(waiting_.begin()->second.entry.request);
      num_waiting_tokens_ -= request.prompt.size();
      auto& entry = waiting_.begin()->second.entry;
      answer.requests.push_back({std::move(request), std::move(entry.reader), entry.failures});
      waiting_.erase(waiting_.begin());
    }
    answer.num_left = static_cast<std::uint32_t>(waiting_.size());
    if (answer.num_left == 0) idle_.push_back(ask.taker);
    if (!answer.requests.empty()) observe();
    return answer;
  }

  void remember(const request_taker& taker) {
    if (std::ranges::find(takers_, taker) != takers_.end()) return;
    takers_.push_back(taker);
    monitor(taker);
  }

  void end(std::map<order, waiting_request>::iterator it, finish_reason why, failure error) {
    auto& request = it->second.entry.request;
    token_usage usage{.prompt_tokens = static_cast<std::uint32_t>(request.prompt.size()),
                      .completion_tokens = static_cast<std::uint32_t>(request.generated.size())};
    it->second.entry.reader->finish(why, usage, std::move(error));
    send(meter_,
         request_observed{
             .why = why, .usage = usage, .arrival = request.arrival, .queued = request.queued});
    num_waiting_tokens_ -= request.prompt.size();
    waiting_.erase(it);
  }

  bool is_shutting_down() const { return closed_ && closed_->code == error_code::shutting_down; }

  void close(const drain& ask) {
    if (!is_shutting_down()) closed_ = ask.why;
    ends_waiting_ = ask.end_waiting;
    if (!ends_waiting_) return;
    while (!waiting_.empty()) end(waiting_.begin(), finish_reason::failed, ask.why);
    observe();
  }

  void keep_time() {
    if (!std::exchange(is_ticking_, true)) delayed_send(this, deadline_period, tick{});
  }

  void end_overdue() {
    is_ticking_ = false;
    auto now = clock().now();
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      auto next = std::next(it);
      auto& w = it->second;
      if (std::min(w.queue_deadline, w.entry.request.deadline) <= now)
        end(it, finish_reason::timed_out,
            {.code = error_code::timed_out,
             .message = "the request waited longer than --queue-timeout"});
      it = next;
    }
    if (!waiting_.empty()) keep_time();
    observe();
  }

  void observe() {
    send(meter_, queue_observed{.num_waiting = static_cast<std::uint32_t>(waiting_.size()),
                                .waiting_tokens = num_waiting_tokens_,
                                .oldest = oldest()});
  }

  engine_limits limits_;
  meter meter_;
  std::map<order, waiting_request> waiting_;
  std::uint64_t num_waiting_tokens_ = 0;
  std::uint64_t next_serial_ = 1ULL << 62U;
  std::uint64_t first_serial_ = next_serial_;  // of what came back
  std::deque<cancel> forwarded_;               // the latest
  std::vector<request_taker> takers_;
  std::vector<request_taker> idle_;  // told of the next submit
  std::optional<failure> closed_;
  bool ends_waiting_ = false;
  bool is_ticking_ = false;
};

}  // namespace

request_queue spawn_request_queue(caf::actor_system& system, const engine_limits& limits,
                                  meter observer) {
  return system.spawn<request_queue_actor>(limits, std::move(observer));
}

}  // namespace troupe
