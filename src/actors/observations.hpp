// What the parts of the house tell the meter. Facts as they were at one moment, sent once per event
// or step, never once per token.
#pragma once
#include "actors/heartbeat.hpp"
#include "actors/wire.hpp"
#include "core/draft_plan.hpp"
#include "core/fleet_plan.hpp"
#include "core/outcome.hpp"
#include "core/overload.hpp"
#include "core/prefix_journal.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct queue_observed {
  std::uint32_t num_waiting = 0;
  std::uint64_t waiting_tokens = 0;
  std::optional<steady_time> oldest;  // since when the oldest request waits
};
struct first_token_observed {
  double seconds = 0;                                  // since the request's arrival
  std::uint32_t prompt_tokens = 0, cached_tokens = 0;  // the latter of the former
};
struct step_observed {
  std::uint32_t num_running = 0;
  std::uint32_t num_waiting = 0;      // taken from the queue, waiting for pages
  std::optional<steady_time> oldest;  // since when the oldest of those waits, from the queue on
  std::uint64_t pending_tokens = 0;   // of running and waiting prompts, not yet computed
  std::uint32_t prefill_tokens = 0, decode_tokens = 0, num_preemptions = 0;
  draft_counts drafts;
  double seconds = 0;  // on the device; 0: nothing ran, only who runs or waits changed
  // Every token that was sent to its reader is in one of these two.
  std::vector<first_token_observed> first_tokens;
  std::vector<float> token_gaps;  // seconds since the same request's token before
  // Of the answers under a constraint.
  std::uint32_t num_constrained = 0, num_failed_constraints = 0;
  std::uint32_t num_late_masks = 0;     // waited for in vain: their rows sat a step out
  std::uint32_t num_forced_tokens = 0;  // that came next without a step of their own
  std::vector<float> mask_seconds;      // of each mask that was worked out
};
inline bool only_decodes(const step_observed& s) {
  return s.prefill_tokens == 0 && s.drafts.num_draft_tokens == 0;
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, step_observed& x) {
  auto oldest = optional_moment_of{x.oldest};
  auto first_tokens = as_blob(x.first_tokens);
  auto token_gaps = as_blob(x.token_gaps);
  auto mask_seconds = as_blob(x.mask_seconds);
  auto seconds = bits_of{x.seconds};
  return f(caf::meta::type_name("step_observed"), x.num_running, x.num_waiting, oldest,
           x.pending_tokens, x.prefill_tokens, x.decode_tokens, x.num_preemptions, x.drafts,
           seconds, first_tokens, token_gaps, x.num_constrained, x.num_failed_constraints,
           x.num_late_masks, x.num_forced_tokens, mask_seconds);
}
struct pages_observed {
  std::uint32_t num_used = 0;    // held by running sequences
  std::uint32_t num_cached = 0;  // kept for their prefix, free on demand
  std::uint32_t num_pages = 0;
  std::uint64_t queried_tokens = 0;  // prompt tokens looked up since the pool was made
  std::uint64_t hit_tokens = 0;      // of these, found
  bool is_new = false;               // nothing that was said of prefixes before is true any more
  prefix_changes prefixes;           // since the last time, if engine_limits::prefix_secret asks
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, pages_observed& x) {
  return f(caf::meta::type_name("pages_observed"), x.num_used, x.num_cached, x.num_pages,
           x.queried_tokens, x.hit_tokens, x.is_new, x.prefixes);
}
struct request_observed {
  finish_reason why = finish_reason::failed;
  token_usage usage;
  std::uint32_t max_tokens = 0;
  // Zero where it did not happen. `admitted` is the first time, whatever preemption did later.
  steady_time arrival, queued, admitted, first_token, last_token;
};
// Why a request never entered the queue.
enum class refusal_reason : std::uint8_t {
  queue_full,
  draining,
  prompt_too_long,  // with its max_tokens it can never fit
  rate_limit,
  token_budget,
  api_key,
  origin,       // a page from elsewhere
  connections,  // too many from one address
  body_memory,  // the bodies of all requests together
  memory,       // the process is short of it: see core/overload.hpp
  engine_failed,
  other
};
struct refusal_observed {
  refusal_reason why = refusal_reason::other;
};
struct http_observed {
  std::string route, method;  // each of a fixed set, never the client's own text
  int status = 0;
  double seconds = 0;
};
// Changes, so that the order in which strands tell them does not matter.
struct front_observed {
  std::int32_t connections = 0, websockets = 0;
  std::int32_t streams = 0;  // answers as server-sent events
};
// Counts since the start of the grammar_store, and how it is now.
struct grammar_observed {
  std::uint64_t num_hits = 0, num_misses = 0;  // asked for, and in the cache or not
  std::map<error_code, std::uint64_t> num_refused;
  std::uint64_t num_entries = 0, num_bytes = 0;
  std::uint32_t num_waiting = 0;          // sources without a maker
  std::uint32_t num_lost_makers = 0;      // past the limit with their source
  std::optional<double> compile_seconds;  // of the one that was just compiled
};
// Of the replicas of a gateway.
struct fleet_observed {
  struct one {
    std::uint64_t name = 0;
    replica_state state = replica_state::starting;
    double load = 0;
    std::uint32_t num_requests = 0;
  };
  std::vector<one> replicas;
  std::uint64_t num_lost = 0;                        // that nobody let go
  std::uint64_t num_resumed = 0;                     // requests that went to another replica
  std::uint64_t num_out = 0, num_in = 0;             // scaling decisions
  std::uint32_t num_stranded = 0;                    // requests that no replica has room for
  std::uint32_t min_replicas = 0, max_replicas = 0;  // now
  double load = 0;                                   // of those that serve, and of the queue
};
// Of the memory of this process, and what is not done for the lack of it.
struct overload_observed {
  memory_held held;
  std::uint64_t limit_bytes = 0;
  overload_level level = overload_level::none;
  std::array<std::uint64_t, num_overload_levels> num_entered{};  // by level
  std::uint64_t num_closed = 0;  // connections that ended with an answer
};
// Since the start.
struct log_observed {
  std::uint64_t num_lost = 0;         // lines of the server's log
  std::uint64_t num_lost_access = 0;  // of the access log
};
// Of the load tests that this server's page starts.
struct load_test_observed {
  bool is_running = false;
};
struct replica_observed {
  bool ready = false;
  std::uint32_t num_restarts = 0;
  std::uint32_t num_ranks = 0, num_ranks_present = 0;
  std::size_t num_messages = 0;  // in the replica's own mailbox
  std::vector<part_report> parts;
};

}  // namespace troupe
