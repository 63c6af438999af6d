#include "actors/router.hpp"

#include "core/plan_step.hpp"
#include "core/prefix_index.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto deadline_period = 50ms;
// Taken at once: those that wait are safer in the queue, where more urgent ones overtake them.
constexpr std::uint32_t max_taken = 32;

// A failure of the house behind the replica's door, not of the request: another may do better.
bool is_worth_another_try(error_code code) {
  return code == error_code::engine_failed || code == error_code::unavailable ||
         code == error_code::shutting_down || code == error_code::queue_full;
}

class router_actor : public router::base {
 public:
  router_actor(caf::actor_config& config, router_options options, request_queue queue,
               meter observer)
      : router::base(config),
        options_(std::move(options)),
        queue_(std::move(queue)),
        meter_(std::move(observer)),
        next_name_(options_.seed) {}

  const char* name() const override { return "router"; }

  void on_exit() override {
    stranded_.clear();  // every reader hears that its request failed
    sent_.clear();
    doors_.clear();
    queue_ = nullptr;
    meter_ = nullptr;
  }

  behavior_type make_behavior() override {
    take_requests();
    return {
        [this](const work_waiting&) {
          queue_has_work_ = true;
          take_requests();
        },
        [this](const cancel& gone) { withdraw(gone); },
        [this](tokens_ready& news) { pass_on(news); },
        [this](const finished& news) { conclude(news); },
        [this](const replica_joined& news) { welcome(news); },
        [this](const replica_opened& news) {
          book_.set_open(news.replica, news.takes_work);
          advance();
        },
        [this](const replica_left& news) { lose(news); },
        [this](const prefixes_changed& news) {
          if (news.is_new) cached_.forget(news.replica);
          cached_.add(news.replica, news.changes.added);
          cached_.remove(news.replica, news.changes.removed);
        },
        [this](const drain& ask) {
          closed_ = ask.why;
          advance();
        },
        [this](const reopen&) { closed_.reset(); },
        [this](const ask_routes&) { return status(); },
        [this](const beat&) {
          return heartbeat{.num_messages = mailbox().size(),
                           .num_requests = static_cast<std::uint32_t>(names_.size())};
        },
        [this](const tick&) { end_overdue(); },
    };
  }

 private:
  struct job {
    generation_request request;  // with all that was answered; `id` is the client's
    ending_ptr reader;
    std::uint64_t serial = 0;
    std::uint32_t num_losses = 0;
    std::optional<finish_reason> end;  // its last token said so
    std::vector<prefix_key> keys;      // of its prompt, expected where it is now
    steady_time taken{}, first_token{};
    std::optional<finish_reason> withdrawn;  // by its reader
  };

  void advance() {
    place_stranded();
    if (closed_) end_stranded([](const job&) { return true; }, finish_reason::failed, *closed_);
    take_requests();
  }

  void take_requests() {
    if (!queue_has_work_ || is_taking_ || !stranded_.empty()) return;
    auto room = book_.total_room();
    if (room.num_requests == 0) return;
    is_taking_ = true;
    request(queue_, caf::infinite,
            take{std::min(room.num_requests, max_taken), room.num_pages, request_taker{this}})
        .then([this](taken& answer) { on_taken(answer); },
              [this](const caf::error& error) { quit(error); });
  }

  void on_taken(taken& answer) {
    is_taking_ = false;
    queue_has_work_ = answer.num_left > 0;
    for (auto& entering : answer.requests) {
      auto id = entering.request.id;
      job entered{.request = std::move(entering.request),
                  .reader = std::move(entering.reader),
                  .serial = next_serial_++,
                  .taken = clock().now()};
      names_[id] = {};
      stranded_.push_back(std::move(entered));
    }
    if (answer.requests.empty()) return;  // the first does not fit yet: an end tries again
    keep_time();
    advance();
  }

  void place_stranded() {
    while (!stranded_.empty() && place(stranded_.front())) stranded_.pop_front();
  }

  // Gives the job to the best replica that has room; the job has moved then.
  bool place(job& j) {
    auto keys = prefix_keys(j.request.prompt, j.request.cache_salt,
                            choose_rope(j.request, options_.limits), options_.prefix_secret);
    // The page of the last token is never shared: its logits have to be computed.
    auto num_shared =
        std::min<std::size_t>(keys.size(), (j.request.prompt.size() - 1) / page_size_tokens);
    auto num_cached = count_cached(std::span(keys).first(num_shared));
    auto chosen = book_.choose(j.request, num_cached, next_name_);
    if (!chosen) return false;
    request_id name{next_name_++};
    book_.sent(name, *chosen, j.request, num_cached.at(*chosen));
    j.keys = std::move(keys);
    expected_.add(*chosen, j.keys);
    names_[j.request.id] = name;
    auto outgoing = j.request;
    outgoing.id = name;
    outgoing.constraint = nullptr;
    sent_.emplace(name, std::move(j));
    request(doors_.at(*chosen), options_.submit_timeout,
            submit{std::move(outgoing), caf::actor_cast<token_sink>(this)})
        .then([](const accepted&) {},
              [this, name, where = *chosen](const caf::error& error) {
                on_refusal(name, where, to_failure(error));
              });
    return true;
  }

  // Tokens of the prompt that each replica has, or will have before it comes to this one.
  std::map<replica_id, std::uint32_t> count_cached(std::span<const prefix_key> keys) const {
    std::map<replica_id, std::uint32_t> out;
    for (auto& [where, door] : doors_)
      out[where] = page_size_tokens * std::max(cached_.num_cached_pages(where, keys),
                                               expected_.num_cached_pages(where, keys));
    return out;
  }

  void on_refusal(request_id name, replica_id where, const failure& why) {
    if (!sent_.contains(name)) return;
    if (is_worth_another_try(why.code)) {
      if (auto it = doors_.find(where); it != doors_.end())
        send(it->second, cancel{name});  // a late answer would be one too many
      strand(name, true);
    } else {
      end(name, finish_reason::failed, {}, why);
    }
    advance();
  }

  void pass_on(tokens_ready& news) {
    auto it = sent_.find(news.request);
    if (it == sent_.end()) return;  // of a replica that we gave up
    auto& j = it->second;
    auto& r = j.request;
    auto now = clock().now();
    if (j.first_token == steady_time{}) j.first_token = now;
    r.last_token = now;
    for (auto& sampled : news.tokens) {
      r.generated.push_back(sampled.token);
      j.end = ends_with(r, sampled.token, static_cast<std::uint32_t>(r.generated.size()),
                        options_.limits.eos_token_ids);
    }
    book_.grew(news.request, static_cast<std::uint32_t>(news.tokens.size()));
    j.reader->tokens(std::move(news.tokens));
  }

  void conclude(const finished& news) {
    if (!sent_.contains(news.request)) return;
    if (news.why == finish_reason::failed && is_worth_another_try(news.error.code))
      strand(news.request, true);
    else
      end(news.request, news.why, news.usage, news.error);
    advance();
  }

  void welcome(const replica_joined& news) {
    book_.join(news.replica, news.capacity);
    doors_[news.replica] = news.door;
    advance();
  }

  void lose(const replica_left& news) {
    doors_.erase(news.replica);
    cached_.forget(news.replica);
    expected_.forget(news.replica);
    for (auto name : book_.leave(news.replica)) strand(name, true);
    advance();
  }

  std::unordered_map<request_id, job>::node_type take_back(request_id name) {
    auto node = sent_.extract(name);
    auto& j = node.mapped();
    if (auto where = book_.replica_of(name)) expected_.remove(*where, j.keys);
    j.keys.clear();
    book_.ended(name);
    return node;
  }

  // Takes a job back that was sent. It waits before those that no replica ever had, and answers
  // that have begun wait first, because somebody reads them.
  void strand(request_id name, bool is_loss) {
    auto node = take_back(name);
    auto& j = node.mapped();
    if (is_loss) ++j.num_losses;
    if (j.withdrawn) return finish(j, *j.withdrawn, usage_of(j), {});
    if (j.end) return finish(j, *j.end, usage_of(j), {});
    if (j.num_losses >= options_.max_losses)
      return finish(j, finish_reason::failed, usage_of(j),
                    {.code = error_code::engine_failed,
                     .message = std::to_string(j.num_losses) +
                                " replicas were lost or failed while they worked on the request"});
    ++num_resumed_;
    auto before = [](const job& a, const job& b) {
      bool a_waits = a.request.generated.empty(), b_waits = b.request.generated.empty();
      return a_waits != b_waits ? b_waits : a.serial < b.serial;
    };
    stranded_.insert(std::ranges::upper_bound(stranded_, j, before), std::move(j));
    keep_time();
  }

  static token_usage usage_of(const job& j) {
    return {.prompt_tokens = static_cast<std::uint32_t>(j.request.prompt.size()),
            .completion_tokens = static_cast<std::uint32_t>(j.request.generated.size())};
  }

  void end(request_id name, finish_reason why, token_usage usage, failure error) {
    auto node = take_back(name);
    auto& j = node.mapped();
    if (why == finish_reason::stop || why == finish_reason::length)
      book_.note_answer(static_cast<std::uint32_t>(j.request.generated.size()));
    if (usage.prompt_tokens == 0) usage = usage_of(j);
    finish(j, why, usage, std::move(error));
  }

  void finish(job& j, finish_reason why, token_usage usage, failure error) {
    names_.erase(j.request.id);
    j.reader->finish(why, usage, std::move(error));
    send(meter_, request_observed{.why = why,
                                  .usage = usage,
                                  .max_tokens = j.request.sampling.max_tokens,
                                  .arrival = j.request.arrival,
                                  .queued = j.request.queued,
                                  .admitted = j.taken,
                                  .first_token = j.first_token,
                                  .last_token = j.request.last_token});
  }

  // Its reader left. Where a replica has it, that one has the last word: it knows what was cached.
  void withdraw(const cancel& gone) {
    auto it = names_.find(gone.request);
    if (it == names_.end()) return;
    auto name = it->second;
    if (auto sent = sent_.find(name); sent != sent_.end()) {
      sent->second.withdrawn = gone.why;
      if (auto where = book_.replica_of(name)) send(doors_.at(*where), cancel{name, gone.why});
      return;
    }
    end_stranded([&](const job& j) { return j.request.id == gone.request; }, gone.why, {});
    advance();
  }

  template <class Condition>
  void end_stranded(const Condition& is_meant, finish_reason why, const failure& error) {
    for (auto& j : stranded_)
      if (is_meant(j)) finish(j, why, usage_of(j), error);
    std::erase_if(stranded_, is_meant);
  }

  void keep_time() {
    if (!std::exchange(is_ticking_, true)) delayed_send(this, deadline_period, tick{});
  }

  // Those that a replica has are ended by it; these here by us.
  void end_overdue() {
    is_ticking_ = false;
    auto now = clock().now();
    end_stranded(
        [&](const job& j) { return j.request.deadline <= now; }, finish_reason::timed_out,
        {.code = error_code::timed_out,
         .message = "the request ran past --request-timeout while no replica had room for it"});
    if (!stranded_.empty()) keep_time();
    advance();
  }

  route_status status() {
    route_status now{.num_stranded = static_cast<std::uint32_t>(stranded_.size()),
                     .num_resumed = num_resumed_};
    for (auto& j : stranded_) now.num_stranded_tokens += j.request.prompt.size();
    for (auto& [where, door] : doors_)
      now.outstanding.emplace_back(where, book_.num_outstanding(where));
    return now;
  }

  router_options options_;
  request_queue queue_;
  meter meter_;
  dispatch_book book_;
  prefix_index cached_;    // as the replicas say
  prefix_index expected_;  // of prompts that they were sent and have not ended
  std::map<replica_id, request_queue> doors_;
  std::optional<failure> closed_;
  // A request has a new name on the wire whenever it is sent, so that what comes late from a
  // replica that was given up means nobody.
  std::unordered_map<request_id, job> sent_;          // by that name
  std::unordered_map<request_id, request_id> names_;  // by the client's; not in sent_: stranded
  std::deque<job> stranded_;
  std::uint64_t next_name_;
  std::uint64_t next_serial_ = 0;
  std::uint64_t num_resumed_ = 0;
  bool queue_has_work_ = true;
  bool is_taking_ = false;
  bool is_ticking_ = false;
};

}  // namespace

router spawn_router(caf::actor_system& system, router_options options, request_queue queue,
                    meter observer) {
  return system.spawn<router_actor>(std::move(options), std::move(queue), std::move(observer));
}

}  // namespace troupe
