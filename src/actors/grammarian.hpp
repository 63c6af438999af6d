// Says which tokens may come next in every running answer that a constraint binds, on a thread of
// its own. A slow mask delays its own row and those behind it; how long a step waits for any of
// them is for the batcher to say.
#pragma once
#include "actors/cast.hpp"
#include "actors/heartbeat.hpp"
#include "core/config.hpp"
#include "core/running_constraints.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <vector>

namespace troupe {

struct ready_mask {
  request_id request;
  std::uint64_t epoch = 0;  // of the question
  // Or why the constraint can say nothing more, which ends its request and no other.
  outcome<constraint_turn> turn = constraint_turn{};
  float seconds = 0;
};
struct masks_ready {
  std::vector<ready_mask> masks;
};

// A role: who hears of masks.
using mask_listener = caf::typed_actor<
    // Once for every answer of a question, in its order; in as many messages as it takes, so that
    // those that are ready do not wait long for the others.
    caf::reacts_to<masks_ready>>;

struct growing_answer {
  request_id request;
  std::uint64_t epoch = 0;  // comes back with the mask
  token_constraint_ptr constraint;
  // What the answer has grown by since the last time; all of it after its admission.
  std::vector<token_id> more;
  std::uint32_t max_forced = 0;  // tokens that may be decided here, without a step
};
struct advance_constraints {
  std::vector<growing_answer> answers;
  mask_listener listener;
};
struct forget_constraint {
  request_id request;
};

using grammarian = caf::typed_actor<
    // Says the listener of each answer which tokens must come now, and what may come after them.
    caf::reacts_to<advance_constraints>,
    // The answer ended or was preempted. Unknown ids are ignored, so it may race a failure.
    caf::reacts_to<forget_constraint>,
    // Between two masks.
    caf::replies_to<beat>::with<heartbeat>>;

grammarian spawn_grammarian(caf::local_actor* parent, const engine_limits& limits);

}  // namespace troupe
