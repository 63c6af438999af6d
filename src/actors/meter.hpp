// Counts what the house observes and renders it for Prometheus.
#pragma once
#include <caf/all.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "actors/cast.hpp"
#include "core/request.hpp"

namespace troupe {

struct queue_observed {
  std::uint32_t num_waiting = 0;
  std::uint64_t waiting_tokens = 0;
  std::uint32_t num_refused = 0;  // since the last observation
};
struct step_observed {
  std::uint32_t num_running = 0;
  std::uint32_t prefill_tokens = 0;
  std::uint32_t decode_tokens = 0;
  std::uint32_t num_preemptions = 0;
  double seconds = 0;
};
struct pages_observed {
  std::uint32_t num_used = 0;    // held by running sequences
  std::uint32_t num_cached = 0;  // kept for their prefix, free on demand
  std::uint32_t num_pages = 0;
  std::uint64_t queried_tokens = 0;  // prefix lookups since the last observation
  std::uint64_t hit_tokens = 0;
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
struct replica_observed {
  bool ready = false;
  std::uint32_t num_restarts = 0;
};
struct render {};

using meter = caf::typed_actor<
    caf::reacts_to<queue_observed>, caf::reacts_to<step_observed>, caf::reacts_to<pages_observed>,
    caf::reacts_to<request_observed>, caf::reacts_to<http_observed>,
    caf::reacts_to<replica_observed>,
    // The metrics in Prometheus' text form.
    caf::replies_to<render>::with<std::string>>;

}  // namespace troupe
