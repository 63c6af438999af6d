// Says which tokens may come next in every running answer that a constraint binds, on a thread of
// its own: a mask is worked out while the device computes, and a slow one delays its own row only.
#pragma once
#include "actors/cast.hpp"
#include "actors/heartbeat.hpp"
#include "core/config.hpp"
#include "core/running_constraints.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <vector>

namespace troupe {

struct advance_constraint {
  request_id request;
  token_constraint_ptr constraint;
  // What the answer has grown by since the last time; all of it after its admission.
  std::vector<token_id> more;
  std::uint32_t max_forced = 0;  // tokens that may be decided here, without a step
};
struct mask_ready {
  // Or why the constraint can say nothing more, which ends its request and no other.
  outcome<constraint_turn> turn = constraint_turn{};
  float seconds = 0;
};
struct forget_constraint {
  request_id request;
};

using grammarian = caf::typed_actor<
    // The tokens that must come now, and what may come after them.
    caf::replies_to<advance_constraint>::with<mask_ready>,
    // The answer ended or was preempted. Unknown ids are ignored, so it may race a failure.
    caf::reacts_to<forget_constraint>,
    // Between two masks.
    caf::replies_to<beat>::with<heartbeat>>;

grammarian spawn_grammarian(caf::local_actor* parent, const engine_limits& limits);

}  // namespace troupe
