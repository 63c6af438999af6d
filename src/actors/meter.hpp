// Counts what the house observes and renders it for Prometheus.
#pragma once
#include "actors/cast.hpp"
#include "core/request.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe {

struct queue_observed {
  std::uint32_t num_waiting = 0;
  std::uint64_t waiting_tokens = 0;
  std::uint32_t num_refused = 0;  // since the last observation
};
struct step_observed {
  std::uint32_t num_running = 0;
  std::uint32_t num_waiting = 0;  // taken from the queue, waiting for pages
  std::uint32_t prefill_tokens = 0;
  std::uint32_t decode_tokens = 0;
  std::uint32_t num_preemptions = 0;
  double seconds = 0;  // on the device; 0: nothing ran, only the number of sequences changed
};
struct pages_observed {
  std::uint32_t num_used = 0;    // held by running sequences
  std::uint32_t num_cached = 0;  // kept for their prefix, free on demand
  std::uint32_t num_pages = 0;
  std::uint64_t queried_tokens = 0;  // prompt tokens looked up since the pool was made
  std::uint64_t hit_tokens = 0;      // of these, found
};
struct request_observed {
  finish_reason why = finish_reason::failed;
  token_usage usage;
  steady_time arrival, admitted, first_token, last_token;  // zero where it did not happen
};
struct http_observed {
  std::string route;  // one of a fixed set, never the client's own text
  int status = 0;
  double seconds = 0;
};
// Why a request was answered without any work.
enum class refusal_reason : std::uint8_t {
  queue_full,
  rate_limit,
  token_budget,
  api_key,
  origin,       // a page from elsewhere
  connections,  // too many from one address
};
struct refusal_observed {
  refusal_reason why = refusal_reason::queue_full;
};
struct replica_observed {
  bool ready = false;
  std::uint32_t num_restarts = 0;
};
struct render {};

using meter = caf::typed_actor<caf::reacts_to<queue_observed>, caf::reacts_to<step_observed>,
                               caf::reacts_to<pages_observed>, caf::reacts_to<request_observed>,
                               caf::reacts_to<http_observed>, caf::reacts_to<refusal_observed>,
                               caf::reacts_to<replica_observed>,
                               // The metrics in Prometheus' text form.
                               caf::replies_to<render>::with<std::string>>;

meter spawn_meter(caf::actor_system& system, std::string model_name);

}  // namespace troupe
