// Takes requests from the queue and gives each to the replica that has the least work before it and
// its prefix. Replicas are in other processes and may be lost at any moment: the router keeps the
// prompt and all that was answered, so another one goes on behind the last token.
#pragma once
#include "actors/heartbeat.hpp"
#include "actors/meter.hpp"
#include "actors/request_queue.hpp"
#include "core/dispatch_book.hpp"
#include "core/prefix_journal.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct replica_joined {
  replica_id replica;
  request_queue door;
  replica_capacity capacity;
};
struct replica_opened {
  replica_id replica;
  bool takes_work = true;  // false: it keeps what it has and gets nothing more
};
struct replica_left {
  replica_id replica;
  std::string why;
};
struct prefixes_changed {
  replica_id replica;
  bool is_new = false;  // what was said before is not true any more
  prefix_changes changes;
};
struct ask_routes {};
struct route_status {
  std::vector<std::pair<replica_id, std::uint32_t>> outstanding;  // requests of each
  std::uint32_t num_stranded = 0;         // taken, and no replica has room for them
  std::uint64_t num_stranded_tokens = 0;  // of their prompts
  std::uint64_t num_resumed = 0;  // times that a request was taken from a replica and sent again
};

using router = caf::typed_actor<
    // request_taker
    caf::reacts_to<work_waiting>, caf::reacts_to<cancel>,
    // token_sink of all that it gave away
    caf::reacts_to<tokens_ready>, caf::reacts_to<finished>,
    // It may be given work from now on.
    caf::reacts_to<replica_joined>, caf::reacts_to<replica_opened>,
    // What it had goes to others: answers that had begun first, then in the order they came.
    caf::reacts_to<replica_left>,
    // What it has cached.
    caf::reacts_to<prefixes_changed>,
    // Until reopen, what no replica has ends with the reason, though it was taken from the queue.
    caf::reacts_to<drain>, caf::reacts_to<reopen>,
    // At once.
    caf::replies_to<ask_routes>::with<route_status>, caf::replies_to<beat>::with<heartbeat>,
    // Ends what is past its deadline.
    caf::reacts_to<tick>>;

struct router_options {
  engine_limits limits;
  std::uint64_t prefix_secret = 0;
  std::uint64_t seed = 0;  // of ties, and of the names that requests have on the wire
  // A request that so many replicas were lost with is not given to another one.
  std::uint32_t max_losses = 3;
  std::chrono::milliseconds submit_timeout{15'000};
};

router spawn_router(caf::actor_system& system, router_options options, request_queue queue,
                    meter observer);

}  // namespace troupe
