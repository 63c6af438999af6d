#include "replica_simulation.hpp"

#include "core/load.hpp"
#include "core/sequence.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>
#include <span>
#include <utility>

namespace troupe::simulation {
namespace {

constexpr std::uint64_t secret = 0xf1ee7;
constexpr double never = std::numeric_limits<double>::infinity();

}  // namespace

double dice::exponential(double mean) { return -mean * std::log1p(-uniform()); }

double dice::lognormal(double median, double sigma) {
  auto radius = std::sqrt(-2 * std::log1p(-uniform()));
  return median * std::exp(sigma * radius * std::cos(2 * std::numbers::pi * uniform()));
}

std::vector<token_id> dice::tokens(std::uint32_t num) {
  std::vector<token_id> drawn(num);
  for (auto& t : drawn) t = static_cast<token_id>(below(151'936));
  return drawn;
}

replica::replica(replica_id id, bool enable_prefix_caching)
    : id_(id), pool_(num_pages, enable_prefix_caching) {
  pool_.record_prefix_changes(secret);
}

void replica::submit(job j, std::uint32_t num_cached) {
  auto num_missing = j.num_prompt - num_cached;
  waiting_.push_back(running_job{.what = std::move(j), .owner = {}, .num_missing = num_missing});
}

bool replica::admit(running_job& j) {
  auto tokens = std::span{j.what.tokens}.first(j.num_known());
  j.owner = {next_owner_++};
  auto granted = pool_.admit({.owner = j.owner, .tokens = {tokens.begin(), tokens.end()}});
  if (!granted) return false;
  j.num_computed = granted->num_cached_tokens;
  j.num_reported = j.num_known();
  j.num_pages = static_cast<std::uint32_t>(granted->pages.size());
  return true;
}

void replica::preempt_youngest() {
  auto& youngest = running_.back();
  pool_.release(youngest.owner);
  youngest.num_missing = youngest.num_known();
  waiting_.push_front(std::move(youngest));
  running_.pop_back();
}

bool replica::has_pages(running_job& j) {
  for (; j.num_pages < pages_for(j.num_known()); ++j.num_pages)
    if (!pool_.extend(j.owner, 1)) return false;
  return true;
}

void replica::start_step(double now) {
  for (std::size_t i = 0; i < running_.size(); ++i)
    while (i < running_.size() && !has_pages(running_[i])) preempt_youngest();

  // Those that decode first, then prompts in the order in which they came.
  auto budget = max_num_batched_tokens;
  double prefill_tokens = 0, num_seqs = 0;
  auto take = [&](running_job& j) {
    j.num_in_step = std::min(budget, j.num_remaining());
    budget -= j.num_in_step;
    num_seqs += j.num_in_step > 0 ? 1 : 0;
  };
  for (auto& j : running_)
    if (j.is_decoding()) take(j);
  auto prefill = [&](running_job& j) {
    take(j);
    prefill_tokens += j.num_in_step;
  };
  for (auto& j : running_)
    if (!j.is_decoding()) prefill(j);
  while (budget > 0 && !waiting_.empty() && running_.size() < max_num_seqs) {
    if (!admit(waiting_.front())) break;
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    prefill(running_.back());
  }
  auto seconds = (step_ms + prefill_token_ms * prefill_tokens + seq_ms * num_seqs) / 1000;
  if (prefill_tokens > 0) {
    auto news = seconds / (max_num_batched_tokens - budget);
    seconds_per_token_ += (seconds_per_token_ == 0 ? 1 : 0.1) * (news - seconds_per_token_);
  }
  step_end_ = now + seconds;
}

// The pool hears of full pages, and with them of the tokens that were generated since.
void replica::report(running_job& j) {
  if (j.num_computed / page_size_tokens == (j.num_computed - j.num_in_step) / page_size_tokens)
    return;
  auto more = std::span{j.what.tokens}.first(j.num_known()).subspan(j.num_reported);
  pool_.computed(j.owner, more, j.num_computed);
  j.num_reported = j.num_known();
}

void replica::end_step(std::vector<double>& first_tokens) {
  for (auto& j : running_) {
    if (j.num_in_step == 0) continue;
    j.num_computed += j.num_in_step;
    report(j);
    if (j.num_remaining() > 0) continue;
    if (++j.num_generated > 1) continue;
    first_tokens.push_back(*step_end_ - j.what.arrival);
  }
  step_end_.reset();
  std::erase_if(running_, [this](const running_job& j) {
    auto is_done = j.num_generated == j.what.num_output();
    if (is_done) pool_.release(j.owner);
    return is_done;
  });
}

replica_view replica::view(double expected_output) const {
  double decode_tokens = 0;
  replica_view seen{.id = id_};
  for (const auto& j : running_) {
    if (!j.is_decoding()) seen.prefill_tokens += j.num_remaining();
    decode_tokens += std::max(1.0, expected_output - j.num_generated);
  }
  for (const auto& j : waiting_) {
    seen.prefill_tokens += j.num_missing;
    decode_tokens += std::max(1.0, expected_output - j.num_generated);
  }
  seen.decode_tokens = static_cast<std::uint64_t>(decode_tokens);
  return seen;
}

double replica::load() const {
  double tokens = 0;
  for (const auto& j : waiting_) tokens += j.num_known();
  for (const auto& j : running_) tokens += j.is_decoding() ? 0 : j.num_remaining();
  return measure_load({.kv_pages_share = static_cast<double>(pool_.num_held()) / num_pages,
                       .seqs_share = static_cast<double>(running_.size()) / max_num_seqs,
                       .queued_seconds = tokens * seconds_per_token_});
}

namespace {

// Replicas as they come and go, and who gets the next request.
class fleet {
 public:
  explicit fleet(const fleet_options& options) : options_(options) {
    for (std::uint32_t i = 0; i < options.num_replicas; ++i) start(0, 0);
    if (options.scaling) policy_.emplace(*options.scaling);
  }

  course run(const workload& next) {
    for (auto arriving = next(); arriving || has_work();) {
      auto arrival = arriving ? arriving->arrival : never;
      auto* computing = first_to_end();
      auto step_end = computing ? computing->engine.step_end() : never;
      now_ = std::min({arrival, step_end, policy_ ? next_look_ : never});
      if (now_ == step_end) {
        end_step(*computing);
      } else if (now_ == arrival) {
        held_.push_back(*std::move(arriving));
        arriving = next();
      } else {
        look();
      }
      while (!held_.empty() && route_request(held_.front())) held_.pop_front();
    }
    return finish();
  }

 private:
  struct member {
    replica engine;
    double started = 0, ready_at = 0;
    bool is_draining = false;

    bool is_ready(double now) const { return !is_draining && ready_at <= now; }
  };

  void start(double now, double seconds) {
    members_.push_back(std::make_unique<member>(
        member{replica{{next_id_++}, options_.enable_prefix_caching}, now, now + seconds}));
  }
  bool has_work() const {
    return !held_.empty() ||
           std::ranges::any_of(members_, [](const auto& m) { return m->engine.has_work(); });
  }
  member* first_to_end() const {
    member* first = nullptr;
    for (const auto& m : members_)
      if (m->engine.is_computing() &&
          (first == nullptr || m->engine.step_end() < first->engine.step_end()))
        first = m.get();
    return first;
  }
  void end_step(member& m) {
    m.engine.end_step(course_.first_tokens);
    auto changes = m.engine.take_prefix_changes();
    index_.add(m.engine.id(), changes.added);
    index_.remove(m.engine.id(), changes.removed);
    if (m.engine.has_work())
      m.engine.start_step(now_);
    else if (m.is_draining)
      remove(m);
  }
  void remove(member& gone) {
    course_.replica_seconds += now_ - gone.started;
    num_hit_ += gone.engine.num_hit_tokens();
    num_queried_ += gone.engine.num_queried_tokens();
    index_.forget(gone.engine.id());
    std::erase_if(members_, [&](const auto& m) { return m.get() == &gone; });
  }
  std::vector<member*> ready() const {
    std::vector<member*> found;
    for (const auto& m : members_)
      if (m->is_ready(now_)) found.push_back(m.get());
    return found;
  }

  // Takes the job if a replica has room for it.
  bool route_request(job& j) {
    const auto candidates = ready();
    std::vector<prefix_key> keys;
    if (options_.enable_prefix_caching)
      keys = prefix_keys(std::span{j.tokens}.first(j.num_prompt), 0, rope_kind::plain, secret);
    std::vector<replica_view> views;
    for (const auto* m : candidates) {
      auto view = m->engine.view(expected_output_);
      auto num_shareable = (j.num_prompt - 1) / page_size_tokens;
      auto num_pages = std::min(num_shareable, index_.num_cached_pages(view.id, keys));
      view.num_cached_tokens = num_pages * page_size_tokens;
      if (options_.max_prefill_tokens > 0)
        view.has_room = view.prefill_tokens < options_.max_prefill_tokens;
      views.push_back(view);
    }
    auto chosen = choose(j, views, candidates);
    if (!chosen) return false;
    ++num_routed_;
    expected_output_ += 0.02 * (j.num_output() - expected_output_);
    auto& engine = candidates[*chosen]->engine;
    engine.submit(std::move(j), views[*chosen].num_cached_tokens);
    if (!engine.is_computing()) engine.start_step(now_);
    return true;
  }
  std::optional<std::size_t> choose(const job& j, std::span<const replica_view> views,
                                    std::span<member* const> candidates) {
    auto seed = num_routed_;
    // Blind to prefixes: nothing of any prompt is known to be cached.
    std::vector<replica_view> blind(views.begin(), views.end());
    for (auto& v : blind) v.num_cached_tokens = 0;
    switch (options_.policy) {
      case route::round_robin: return seed % views.size();
      case route::conversation: return j.conversation * 0x9e3779b97f4a7c15ULL % views.size();
      case route::least_requests:
        for (std::size_t i = 0; i < blind.size(); ++i) {
          blind[i].prefill_tokens = candidates[i]->engine.num_requests();
          blind[i].decode_tokens = 0;
        }
        [[fallthrough]];
      case route::least_tokens: return choose_replica(blind, j.num_prompt, seed);
      case route::cached_least_tokens: return choose_replica(views, j.num_prompt, seed);
    }
    return std::nullopt;
  }

  // The rule's turn, once a second.
  void look() {
    using clock = std::chrono::steady_clock;
    next_look_ += 1;
    scaling_signs signs{.now = clock::time_point{} + std::chrono::duration_cast<clock::duration>(
                                                         std::chrono::duration<double>{now_})};
    for (const auto& m : members_) {
      if (m->is_draining) ++signs.num_draining;
      if (!m->is_draining && !m->is_ready(now_)) ++signs.num_starting;
      if (!m->is_ready(now_)) continue;
      ++signs.num_ready;
      signs.load += m->engine.load();
    }
    signs.load /= std::max(1U, signs.num_ready);
    auto change = policy_->decide(signs).change;
    for (; change > 0; --change, ++course_.num_started) start(now_, options_.start_seconds);
    for (; change < 0; ++change, ++course_.num_drained) drain_one();
    course_.last_replicas = count_members();
    course_.most_replicas = std::max(course_.most_replicas, course_.last_replicas);
  }
  std::uint32_t count_members() const {
    return static_cast<std::uint32_t>(
        std::ranges::count_if(members_, [](const auto& m) { return !m->is_draining; }));
  }
  void drain_one() {
    auto candidates = ready();
    auto least = std::ranges::min_element(candidates, {},
                                          [](const member* m) { return m->engine.num_requests(); });
    (*least)->is_draining = true;
    if (!(*least)->engine.has_work()) remove(**least);
  }

  course finish() {
    course_.end = now_;
    while (!members_.empty()) remove(*members_.back());
    if (num_queried_ > 0)
      course_.hit_share = static_cast<double>(num_hit_) / static_cast<double>(num_queried_);
    std::ranges::sort(course_.first_tokens);
    return std::move(course_);
  }

  fleet_options options_;
  std::vector<std::unique_ptr<member>> members_;
  std::optional<scaling_policy> policy_;
  prefix_index index_;
  std::deque<job> held_;  // at the router, oldest first
  course course_;
  double now_ = 0, next_look_ = 1;
  double expected_output_ = 100;
  std::uint64_t next_id_ = 1, num_routed_ = 0, num_hit_ = 0, num_queried_ = 0;
};

}  // namespace

double course::percentile(double p) const {
  auto rank = std::ceil(p / 100 * static_cast<double>(first_tokens.size()));
  return first_tokens[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

double course::share_within(double seconds) const {
  auto late = std::ranges::upper_bound(first_tokens, seconds);
  return static_cast<double>(late - first_tokens.begin()) /
         static_cast<double>(first_tokens.size());
}

course run(const fleet_options& options, const workload& next) { return fleet{options}.run(next); }

}  // namespace troupe::simulation
