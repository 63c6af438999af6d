// Owns one device (one rank's shard of the model) and runs the batcher's steps on it, in order. May
// live in another process than the batcher, unless it is rank 0.
#pragma once
#include "actors/cast.hpp"
#include "actors/heartbeat.hpp"
#include "actors/step_wire.hpp"
#include "core/batch.hpp"
#include "core/outcome.hpp"
#include "model/runner.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>

namespace troupe {

struct step_done {
  outcome<step_result> result = step_result{};
  double seconds = 0;  // on the device
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, step_done& x) {
  auto seconds = bits_of{x.seconds};
  return f(caf::meta::type_name("step_done"), x.result, seconds);
}

// The logits of the step are there, the masks that it was promised are not.
struct masks_wanted {
  step_id step;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, masks_wanted& x) {
  return f(caf::meta::type_name("masks_wanted"), x.step);
}

// A role: who hears of steps.
using step_listener = caf::typed_actor<
    // From rank 0 once per step, in order; from any rank once when its device failed.
    caf::reacts_to<step_done>,
    // From rank 0, at most once per step: the device rests until they come.
    caf::reacts_to<masks_wanted>>;

struct run_step {
  std::shared_ptr<const step_batch> batch;
  step_listener listener;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_step& x) {
  auto batch = shared_batch{x.batch};
  return f(caf::meta::type_name("run_step"), batch, x.listener);
}

using executor = caf::typed_actor<
    // Ends with a step_done to the listener; after a failed one the executor quits.
    caf::reacts_to<run_step>,
    // After the run_step of a batch that was promised masks, before the next one.
    caf::reacts_to<step_masks>,
    // From itself: looks whether the device is done.
    caf::reacts_to<tick>,
    // Answered between two steps: a late answer is a long step or a dead device.
    caf::replies_to<beat>::with<heartbeat>>;

// Runs on a thread of its own. `parent` is told by its link when the executor ends.
executor spawn_executor(caf::local_actor* parent, std::shared_ptr<runner> device,
                        std::uint32_t rank);

}  // namespace troupe
