// A fleet that takes time instead of computing: replicas like a 4090 with Qwen2.5-7B, with the real
// page pool, prefix index, choice of a replica and scaling rule. Seconds are simulated; one seed
// gives one course of events.
#pragma once
#include "core/page_pool.hpp"
#include "core/prefix_index.hpp"
#include "core/replica_choice.hpp"
#include "core/scaling_policy.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <vector>

namespace troupe::simulation {

// One request: what it says and what it will be answered, known from the start.
struct job {
  double arrival = 0;  // seconds
  std::uint64_t conversation = 0;
  std::vector<token_id> tokens;  // prompt, then answer
  std::uint32_t num_prompt = 0;

  std::uint32_t num_output() const {
    return static_cast<std::uint32_t>(tokens.size()) - num_prompt;
  }
};
// The next one, in the order of arrival; nothing at the end.
using workload = std::function<std::optional<job>()>;

// Draws that are the same everywhere: the standard library's distributions are not.
class dice {
 public:
  explicit dice(std::uint64_t seed) : engine_(seed) {}
  double uniform() { return static_cast<double>(engine_() >> 11U) * 0x1p-53; }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(uniform() * n); }
  double exponential(double mean);
  double lognormal(double median, double sigma);
  std::vector<token_id> tokens(std::uint32_t num);

 private:
  std::mt19937_64 engine_;
};

class replica {
 public:
  static constexpr std::uint32_t num_pages = 110'000 / page_size_tokens;
  static constexpr std::uint32_t max_num_seqs = 256;
  static constexpr std::uint32_t max_num_batched_tokens = 2048;
  static constexpr double step_ms = 15, prefill_token_ms = 0.09, seq_ms = 0.06;

  replica(replica_id id, bool enable_prefix_caching);

  // `num_cached` of its prompt are there, as far as the router knows.
  void submit(job j, std::uint32_t num_cached);
  bool has_work() const { return !running_.empty() || !waiting_.empty(); }
  bool is_computing() const { return step_end_.has_value(); }
  double step_end() const { return *step_end_; }
  void start_step(double now);
  // Appends the seconds to the first token of those that got it.
  void end_step(std::vector<double>& first_tokens);

  replica_id id() const { return id_; }
  std::size_t num_requests() const { return running_.size() + waiting_.size(); }
  // What is before a newcomer; `expected_output` tokens are expected of each answer.
  replica_view view(double expected_output) const;
  double load() const;  // as `tally::load` makes it of what the parts observe
  prefix_changes take_prefix_changes() { return pool_.take_prefix_changes(); }
  std::uint64_t num_hit_tokens() const { return pool_.num_hit_tokens(); }
  std::uint64_t num_queried_tokens() const { return pool_.num_queried_tokens(); }

 private:
  struct running_job {
    job what;
    request_id owner;
    std::uint32_t num_generated = 0, num_computed = 0, num_reported = 0, num_pages = 0;
    std::uint32_t num_missing = 0;  // while it waits: of its prompt, as far as the router knows
    std::uint32_t num_in_step = 0;

    std::uint32_t num_known() const { return what.num_prompt + num_generated; }
    std::uint32_t num_remaining() const { return num_known() - num_computed; }
    bool is_decoding() const { return num_generated > 0 && num_remaining() == 1; }
  };
  bool admit(running_job& j);
  bool has_pages(running_job& j);
  void preempt_youngest();
  void report(running_job& j);

  replica_id id_;
  page_pool pool_;
  std::deque<running_job> running_, waiting_;  // oldest first
  std::optional<double> step_end_;
  double seconds_per_token_ = 0;  // of steps that prefill
  std::uint64_t next_owner_ = 1;
};

enum class route { round_robin, least_requests, least_tokens, conversation, cached_least_tokens };

struct fleet_options {
  route policy = route::cached_least_tokens;
  std::uint32_t num_replicas = 4;  // at the start; all of them without `scaling`
  std::optional<scaling_options> scaling;
  double start_seconds = 20;  // from the decision to ready
  bool enable_prefix_caching = true;
  // A replica with this many prompt tokens before it has no room; then requests wait at the router,
  // first come first served. 0: it always has room.
  std::uint64_t max_prefill_tokens = 0;
};

struct course {
  std::vector<double> first_tokens;  // seconds from arrival, in rising order
  double replica_seconds = 0;        // from each one's start to its end
  double end = 0;
  double hit_share = 0;                                // of prompt tokens
  std::uint32_t most_replicas = 0, last_replicas = 0;  // starting ones included
  std::uint32_t num_started = 0, num_drained = 0;      // by the rule

  double percentile(double p) const;
  double share_within(double seconds) const;
};

course run(const fleet_options& options, const workload& next);

}  // namespace troupe::simulation
