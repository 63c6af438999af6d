// Holds admitted requests, most urgent and oldest first, until a batcher has room. Bounded by count
// and by prompt tokens: the one place that refuses for load. A router answers the same messages.
#pragma once
#include "actors/ending.hpp"
#include "actors/heartbeat.hpp"
#include "actors/meter.hpp"
#include "actors/token_sink.hpp"
#include "core/config.hpp"
#include "core/retry.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <vector>

namespace troupe {

struct submit {
  generation_request request;
  token_sink reader;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, submit& x) {
  return f(caf::meta::type_name("submit"), x.request, x.reader);
}
struct accepted {
  std::uint32_t num_ahead = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, accepted& x) {
  return f(caf::meta::type_name("accepted"), x.num_ahead);
}
struct cancel {
  request_id request;
  finish_reason why = finish_reason::cancelled;  // stop: the reader found a stop string
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cancel& x) {
  return f(caf::meta::type_name("cancel"), x.request, x.why);
}
struct work_waiting {};

// A role: who takes requests from a queue (the batcher).
using request_taker = caf::typed_actor<
    // An empty `taken` is no longer true; said once per empty answer.
    caf::reacts_to<work_waiting>,
    // The reader of a taken request left. Unknown ids are ignored.
    caf::reacts_to<cancel>>;

struct take {
  std::uint32_t max_requests = 0;
  std::uint32_t max_prompt_pages = 0;  // together; the first one that does not fit ends the answer
  request_taker taker;
};
struct admitted_request {
  generation_request request;
  ending_ptr reader;
  failure_record failures = {};
};
struct taken {
  std::vector<admitted_request> requests;
  std::uint32_t num_left = 0;
};
// Requests that a taker could not finish, with what it answered of them; oldest first.
struct take_back {
  std::vector<admitted_request> requests;
};
struct drain {
  failure why;               // told to every later submit; shutting_down is the last word
  bool end_waiting = false;  // fail what waits, too
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, drain& x) {
  return f(caf::meta::type_name("drain"), x.why, x.end_waiting);
}
struct reopen {};  // undoes a drain, but for shutting_down

using request_queue = caf::typed_actor<
    // Accepted, or at once an error: queue_full, shutting_down, or a prompt that can never fit.
    caf::replies_to<submit>::with<accepted>,
    // Ends the request wherever it is; unknown ids are ignored, so cancel may race finished.
    caf::reacts_to<cancel>,
    // May be empty; with none left the taker hears work_waiting later.
    caf::replies_to<take>::with<taken>,
    // They go first, whatever else waits. Of a queue that was told to end what waits they end.
    caf::reacts_to<take_back>,
    // From now on every submit is refused; what runs goes on.
    caf::reacts_to<drain>,
    // Takes back a drain.
    caf::reacts_to<reopen>,
    // At once, with the number and the age of what waits.
    caf::replies_to<beat>::with<heartbeat>,
    // Ends what waits past its deadline.
    caf::reacts_to<tick>>;

request_queue spawn_request_queue(caf::actor_system& system, const engine_limits& limits,
                                  meter observer);

}  // namespace troupe
