// Forms the steps of one replica: takes requests when it has room, keeps two steps in flight,
// streams the tokens to their readers, ends every sequence once. It performs the plans of
// core/plan_step.hpp; it does not think.
#pragma once
#include "actors/executor.hpp"
#include "actors/grammarian.hpp"
#include "actors/page_manager.hpp"
#include "actors/request_queue.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <vector>

namespace troupe {

// The wait for the masks of a step took long enough.
struct masks_overdue {
  step_id step;
};

using batcher = caf::typed_actor<
    // request_taker
    caf::reacts_to<work_waiting>, caf::reacts_to<cancel>,
    // step_listener
    caf::reacts_to<step_done>, caf::reacts_to<masks_wanted>,
    // mask_listener
    caf::reacts_to<masks_ready>,
    // At once, with the number of requests in its hands and when a step ended last.
    caf::replies_to<beat>::with<heartbeat>,
    // From itself: the step goes on without the rows whose masks are late.
    caf::reacts_to<masks_overdue>,
    // Ends what is past its deadline.
    caf::reacts_to<tick>>;

struct batcher_parts {
  request_queue queue;
  page_manager pages;
  grammarian masks;
  std::vector<executor> ranks;  // rank 0 first
  meter observer;
};

batcher spawn_batcher(caf::local_actor* parent, const engine_limits& limits, batcher_parts parts);

}  // namespace troupe
