#include "actors/batcher.hpp"

#include "actors/hand_back.hpp"
#include "core/running_batch.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <unordered_map>
#include <utility>

namespace troupe {
namespace {

using namespace std::chrono_literals;

// Enough to hide the host's work behind the device's; more would only delay new requests.
constexpr std::uint32_t max_steps_in_flight = 2;
constexpr auto deadline_period = 50ms;

class batcher_actor : public batcher::base {
 public:
  batcher_actor(caf::actor_config& config, const engine_limits& limits, batcher_parts parts)
      : batcher::base(config),
        batch_(limits),
        parts_(std::move(parts)),
        num_available_pages_(limits.num_pages) {}

  const char* name() const override { return "batcher"; }

  void on_exit() override {
    hand_back({.code = error_code::engine_failed, .message = "the replica was restarted"});
    parts_ = {};
  }

  behavior_type make_behavior() override {
    last_progress_ = clock().now();
    take_requests();
    return {
        [this](const work_waiting&) {
          queue_has_work_ = true;
          advance();
        },
        [this](const cancel& gone) {
          end(gone.request, gone.why, {});
          advance();
        },
        [this](const step_done& step) { on_step_done(step); },
        [this](masks_ready& news) { on_masks(news); },
        [this](const beat&) {
          return heartbeat{.num_messages = mailbox().size(),
                           .num_requests = static_cast<std::uint32_t>(readers_.size()),
                           .since = last_progress_};
        },
        [this](const masks_wanted& ask) {
          if (batch_.step_without_masks() == ask.step) watch_wait(ask.step);
        },
        [this](const masks_overdue& late) { end_wait(late.step); },
        [this](const tick&) { end_overdue(); },
    };
  }

 private:
  // Does the next thing that can be done now: every handler ends here.
  void advance() {
    if (has_failed_) return;
    hand_over_masks();
    if (is_awaiting_pages_) return;
    if (batch_.num_in_flight() >= max_steps_now() || batch_.step_without_masks()) {
      reserve_ahead();
      return;
    }
    take_requests();
    auto growth = batch_.plan();
    auto admissions = admission_asks();
    if (!growth.empty() || !admissions.empty())
      ask_for_pages(std::move(growth), std::move(admissions));
    else if (batch_.has_plan())
      launch_step();
  }

  std::uint32_t max_steps_now() const {
    return batch_.waits_for_tokens() ? 1 : max_steps_in_flight;
  }

  // While the device computes: pages for the next step, so that it does not wait for them.
  void reserve_ahead() {
    if (std::exchange(has_reserved_ahead_, true)) return;
    auto growth = batch_.lacking_ahead();
    if (growth.empty()) return;
    is_awaiting_pages_ = true;
    request(parts_.pages, caf::infinite, reserve_pages{growth, {}})
        .then(
            [this, asked = std::move(growth)](pages_reserved& answer) {
              is_awaiting_pages_ = false;
              take_growth(asked, answer);  // what is denied is asked for again when it is needed
              advance();
            },
            [this](const caf::error& error) { quit(error); });
  }

  void take_requests() {
    if (!queue_has_work_ || is_taking_ || !waiting_.empty() || !batch_.has_free_slot()) return;
    is_taking_ = true;
    auto num_free_slots = batch_.limits().max_num_seqs - num_running();
    auto num_pages = num_available_pages_;
    request(parts_.queue, caf::infinite, take{num_free_slots, num_pages, request_taker{this}})
        .then([this, num_pages](taken& answer) { on_taken(answer, num_pages); },
              [this](const caf::error& error) { quit(error); });
  }

  void on_taken(taken& answer, std::uint32_t num_pages_asked) {
    is_taking_ = false;
    queue_has_work_ = answer.num_left > 0;
    for (auto& entering : answer.requests) {
      readers_.emplace(entering.request.id, std::move(entering.reader));
      auto& entered = waiting_.emplace_back(sequence{.request = std::move(entering.request)});
      entered.generated = std::exchange(entered.request.generated, {});
      entered.last_token = entered.request.last_token;
      entered.failures = entering.failures;
    }
    if (!answer.requests.empty()) {
      last_progress_ = clock().now();
      observe_step({}, 0);
    }
    // Asking again at once would spin, unless pages came back while the question was under way.
    if (answer.requests.empty() && num_available_pages_ <= num_pages_asked) return;
    keep_time();
    advance();
  }

  std::vector<page_pool::admission_ask> admission_asks() const {
    std::vector<page_pool::admission_ask> asks;
    auto num_entering = batch_.limits().max_num_seqs - num_running();
    auto num_reserved = admission_reserve(batch_.sequences());
    bool has_suspect = std::ranges::any_of(batch_.sequences(),
                                           [](const sequence& s) { return s.failures.is_suspect; });
    for (auto& s : waiting_) {
      if (asks.size() == num_entering) break;
      if (s.failures.is_suspect && std::exchange(has_suspect, true)) continue;
      asks.push_back({.owner = s.request.id,
                      .tokens = s.request.prompt,
                      .cache_salt = s.request.cache_salt,
                      .rope = choose_rope(s.request, batch_.limits()),
                      .num_reserved = num_reserved++});
      asks.back().tokens.insert(asks.back().tokens.end(), s.generated.begin(), s.generated.end());
    }
    return asks;
  }

  void ask_for_pages(std::vector<page_growth> growth,
                     std::vector<page_pool::admission_ask> admissions) {
    is_awaiting_pages_ = true;
    std::vector<request_id> entering;
    for (auto& ask : admissions) entering.push_back(ask.owner);
    request(parts_.pages, caf::infinite, reserve_pages{growth, std::move(admissions)})
        .then(
            [this, asked = std::move(growth),
             entering = std::move(entering)](pages_reserved& answer) {
              is_awaiting_pages_ = false;
              on_pages(asked, entering, answer);
            },
            [this](const caf::error& error) { quit(error); });
  }

  // Whether a sequence that still runs was denied its pages.
  bool take_growth(const std::vector<page_growth>& asked, pages_reserved& answer) {
    num_available_pages_ = answer.num_available;
    bool is_denied = false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (answer.growth[i])
        batch_.grow(asked[i].request, *answer.growth[i]);
      else
        is_denied = is_denied || (!asked[i].is_for_drafts && batch_.find(asked[i].request));
    }
    return is_denied;
  }

  void on_pages(const std::vector<page_growth>& asked, const std::vector<request_id>& entering,
                pages_reserved& answer) {
    bool is_denied = take_growth(asked, answer);
    bool is_any_admitted = false;
    for (std::size_t i = 0; i < entering.size(); ++i)
      if (answer.admissions[i]) is_any_admitted |= admit(entering[i], *answer.admissions[i]);
    if (is_any_admitted) {
      ask_for_masks();
      observe_step({}, 0);
    }
    if (is_denied && num_releases_under_way_ > 0)
      return;  // pages are coming back; their arrival tries again
    if (is_denied)
      preempt();
    else if (batch_.has_plan() && !is_any_admitted)
      launch_step();
    else
      replan();
  }

  // After admissions or a sequence's end the plan is new, but nobody asks for the denied again.
  void replan() {
    auto growth = batch_.plan();
    if (!growth.empty())
      ask_for_pages(std::move(growth), {});
    else if (batch_.has_plan())
      launch_step();
    else
      take_requests();
  }

  bool admit(request_id entering, page_pool::admission& granted) {
    auto it =
        std::ranges::find_if(waiting_, [&](const sequence& s) { return s.request.id == entering; });
    if (it == waiting_.end()) return false;  // cancelled meanwhile; its pages are being released
    auto s = std::move(*it);
    waiting_.erase(it);
    if (s.admitted == steady_time{}) s.admitted = clock().now();
    auto& running = batch_.admit(std::move(s), std::move(granted.pages), granted.num_cached_tokens);
    if (running.request.constraint) add_question(running, running.generated);
    return true;
  }

  void preempt() {
    auto victim = batch_.preempt();
    if (!victim) {
      // One sequence alone always fits (find_misfit); if it does not, the books are wrong.
      quit(make_error({.code = error_code::engine_failed, .message = "KV pages leaked"}));
      return;
    }
    ++news_.num_preemptions;
    release(victim->request.id);
    forget_constraint_of(*victim);
    waiting_.push_front(std::move(*victim));
    replan();
  }

  void hand_over_masks() {
    auto masks = batch_.take_masks();
    if (!masks) return;
    for (auto& rank : parts_.ranks) send(rank, *masks);
  }

  // One watch at a time, not one for each step: that of a wait which is over looks after the next
  // one, which so may last twice as long.
  void watch_wait(step_id step) {
    wanting_step_ = step;
    if (!std::exchange(is_watching_wait_, true))
      delayed_send(this, mask_patience(last_step_seconds_), masks_overdue{step});
  }

  // Late masks hold the others for a moment only: the step goes on without their rows.
  void end_wait(step_id step) {
    is_watching_wait_ = false;
    auto waiting = batch_.step_without_masks();
    if (waiting != wanting_step_) return;
    if (waiting != step) {
      watch_wait(*waiting);
      return;
    }
    news_.num_late_masks += batch_.give_up_masks();
    advance();
  }

  void add_question(const sequence& s, std::vector<token_id> more) {
    questions_.push_back(
        {s.request.id, s.epoch, s.request.constraint, std::move(more), max_forced_tokens(s)});
  }

  // One message for all rows of a step: a mask costs no more than a message does.
  void ask_for_masks() {
    if (questions_.empty()) return;
    send(parts_.masks, advance_constraints{std::exchange(questions_, {}), this});
  }

  void on_masks(masks_ready& news) {
    if (has_failed_) return;
    for (auto& mask : news.masks) {
      news_.mask_seconds.push_back(mask.seconds);
      auto* s = batch_.find(mask.request);
      if (s && s->epoch == mask.epoch) go_on(*s, mask.turn);  // else ended or preempted meanwhile
    }
    advance();
  }

  void go_on(sequence& s, outcome<constraint_turn>& turn) {
    auto who = s.request.id;
    if (!turn) {
      ++news_.num_failed_constraints;
      end(who, finish_reason::failed, turn.error());
      return;
    }
    batch_.settle(s, *turn);
    for (auto token : turn->forced) {
      ++news_.num_forced_tokens;
      auto why = batch_.append_forced(s, token);
      deliver(s, {.token = token}, clock().now());
      if (!why) continue;
      end(who, *why, {});
      return;
    }
    if (!turn->mask) end(who, finish_reason::stop, {});
  }

  void forget_constraint_of(const sequence& s) {
    if (s.request.constraint) send(parts_.masks, forget_constraint{s.request.id});
  }

  void launch_step() {
    auto batch = std::make_shared<const step_batch>(batch_.build());
    shapes_.push_back(batch_.last_shape());
    for (auto& rank : parts_.ranks) send(rank, run_step{batch, step_listener{this}});
    has_reserved_ahead_ = false;
    advance();
  }

  void on_step_done(const step_done& step) {
    if (has_failed_) return;
    if (!step.result) {
      has_failed_ = true;
      hand_back(step.result.error());
      return;
    }
    last_progress_ = clock().now();
    last_step_seconds_ = step.seconds;
    std::chrono::duration<double> spent =
        last_progress_ - std::exchange(last_step_end_, last_progress_);
    pages_computed reports;
    auto news = batch_.apply(*step.result, spent.count());
    ask_about(news);  // first, so that masks are made while the readers are told
    for (auto& progress : news)
      if (progress.computed) reports.reports.push_back(std::move(*progress.computed));
    // Before the pages of those that end are given back: they are prefixes for others, too.
    if (!reports.reports.empty()) send(parts_.pages, std::move(reports));
    for (auto& progress : news) {
      if (progress.token) take_sample(progress);
      if (progress.end) end(progress.request, *progress.end, {});
    }
    batch_.observe(shapes_.front(), step.seconds);
    observe_step(shapes_.front(), step.seconds);
    shapes_.pop_front();
    advance();
  }

  void ask_about(const std::vector<sequence_progress>& news) {
    for (auto& progress : news) {
      if (!progress.token || progress.end) continue;
      auto& s = *batch_.find(progress.request, progress.slot);
      if (s.request.constraint) add_question(s, {progress.token->token});
    }
    ask_for_masks();
  }

  void take_sample(sequence_progress& progress) {
    auto* s = batch_.find(progress.request, progress.slot);
    s->failures.is_suspect = false;
    deliver(*s, std::move(*progress.token), last_progress_);
  }

  // The token is the last one of those that the sequence has.
  void deliver(sequence& s, sampled_token token, steady_time now) {
    auto seconds_since = [now](steady_time then) {
      return std::chrono::duration<double>(now - then).count();
    };
    if (s.num_generated() == 1) {
      s.first_token = now;
      news_.first_tokens.push_back({.seconds = seconds_since(s.request.arrival),
                                    .prompt_tokens = s.num_prompt(),
                                    .cached_tokens = s.num_cached_tokens});
    } else if (s.last_token != steady_time{}) {
      news_.token_gaps.push_back(static_cast<float>(seconds_since(s.last_token)));
    }
    s.last_token = now;
    readers_.at(s.request.id)->token(std::move(token));
  }

  // Ends a sequence wherever it is; unknown ids are ignored.
  void end(request_id request, finish_reason why, failure error) {
    if (!readers_.contains(request)) return;
    auto ended = batch_.remove(request);
    if (ended)
      release(request);
    else
      ended = remove_waiting(request);
    if (!ended) return;
    forget_constraint_of(*ended);
    token_usage usage{.prompt_tokens = ended->num_prompt(),
                      .cached_tokens = ended->num_cached_tokens,
                      .completion_tokens = ended->num_generated()};
    readers_.at(request)->finish(why, usage, std::move(error));
    readers_.erase(request);
    send(parts_.observer, request_observed{.why = why,
                                           .usage = usage,
                                           .max_tokens = ended->request.sampling.max_tokens,
                                           .arrival = ended->request.arrival,
                                           .queued = ended->request.queued,
                                           .admitted = ended->admitted,
                                           .first_token = ended->first_token,
                                           .last_token = ended->last_token});
    observe_step({}, 0);
  }

  std::optional<sequence> remove_waiting(request_id request) {
    auto it =
        std::ranges::find_if(waiting_, [&](const sequence& s) { return s.request.id == request; });
    if (it == waiting_.end()) return std::nullopt;
    auto removed = std::move(*it);
    waiting_.erase(it);
    release(request);  // a grant may be under way
    return removed;
  }

  void release(request_id owner) {
    ++num_releases_under_way_;
    request(parts_.pages, caf::infinite, release_pages{owner})
        .then(
            [this](const pages_released& answer) {
              --num_releases_under_way_;
              num_available_pages_ = answer.num_available;
              advance();
            },
            [this](const caf::error& error) { quit(error); });
  }

  // Whoever is tried again goes on with the batcher after this one.
  void hand_back(const failure& why) {
    auto judged = judge_requests(batch_, waiting_, readers_);
    for (auto request : judged.guilty) end(request, finish_reason::failed, why);
    if (!judged.again.empty()) caf::anon_send(parts_.queue, take_back{std::move(judged.again)});
  }

  void keep_time() {
    if (!std::exchange(is_ticking_, true)) delayed_send(this, deadline_period, tick{});
  }

  void end_overdue() {
    is_ticking_ = false;
    std::vector<request_id> overdue;
    auto now = clock().now();
    auto look = [&](const sequence& s) {
      if (s.request.deadline <= now) overdue.push_back(s.request.id);
    };
    std::ranges::for_each(batch_.sequences(), look);
    std::ranges::for_each(waiting_, look);
    for (auto request : overdue)
      end(request, finish_reason::timed_out,
          {.code = error_code::timed_out, .message = "the request ran past --request-timeout"});
    if (!readers_.empty()) keep_time();
    advance();
  }

  void observe_step(step_shape shape, double seconds) {
    news_.num_running = num_running();
    news_.num_constrained = static_cast<std::uint32_t>(std::ranges::count_if(
        batch_.sequences(), [](const sequence& s) { return s.request.constraint != nullptr; }));
    news_.num_waiting = static_cast<std::uint32_t>(waiting_.size());
    news_.prefill_tokens = shape.prefill_tokens;
    news_.decode_tokens = shape.decode_tokens;
    news_.drafts = batch_.take_draft_counts();
    news_.seconds = seconds;
    news_.pending_tokens = count_pending_tokens(batch_.sequences());
    for (auto& s : waiting_) {
      news_.pending_tokens += s.num_known();
      if (s.admitted == steady_time{})
        news_.oldest = std::min(news_.oldest.value_or(steady_time::max()), s.request.queued);
    }
    send(parts_.observer, std::exchange(news_, {}));
  }

  std::uint32_t num_running() const {
    return static_cast<std::uint32_t>(batch_.sequences().size());
  }

  running_batch batch_;
  batcher_parts parts_;
  std::deque<sequence> waiting_;  // preempted ones first, oldest first
  std::unordered_map<request_id, ending_ptr> readers_;
  std::deque<step_shape> shapes_;  // of the steps in flight
  std::uint32_t num_available_pages_;
  std::uint32_t num_releases_under_way_ = 0;
  step_observed news_;         // since the last observation
  steady_time last_progress_;  // a step ended, or requests came
  steady_time last_step_end_;
  double last_step_seconds_ = 0;
  std::vector<growing_answer> questions_;  // for the grammarian, not asked yet
  std::optional<step_id> wanting_step_;    // the last one that waited for masks
  bool is_watching_wait_ = false;
  bool queue_has_work_ = true;
  bool is_taking_ = false;
  bool is_awaiting_pages_ = false;
  bool has_reserved_ahead_ = false;  // since the last step was launched
  bool is_ticking_ = false;
  bool has_failed_ = false;
};

}  // namespace

batcher spawn_batcher(caf::local_actor* parent, const engine_limits& limits, batcher_parts parts) {
  return parent->spawn<batcher_actor, caf::linked>(limits, std::move(parts));
}

}  // namespace troupe
