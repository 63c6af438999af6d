// One rank's share of a model on its device: what an executor drives. The real one is forward +
// a device; a simulated one only takes time.
#pragma once
#include "core/batch.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe {

// A device or a communicator failed: the step has no result and the runner is of no further use.
struct device_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class runner {
 public:
  virtual ~runner() = default;
  // One step in three parts: masks are made while the first one runs, and the next step is told
  // while this one runs. Every rank of a replica gets the same in the same order. All throw
  // device_error. What is told may run later, if the device has a queue of its own.

  // The step up to its logits. The batch stays until choose() has returned.
  virtual void compute(const step_batch& batch) = 0;
  // Samples under the masks that the batch was promised. Then the next step may be computed.
  virtual void choose(std::span<const token_mask_ptr> promised) = 0;
  // Blocks until the oldest step that has chosen is done. Rank 0 answers the samples, the others
  // answer none.
  virtual step_result finish() = 0;
  // Whether finish() would not block; if no step has chosen, whether the logits are there.
  virtual bool is_ready() = 0;
  // All of it, for a step that was promised no masks, when no other is under way.
  step_result run(const step_batch& batch) {
    compute(batch);
    choose({});
    return finish();
  }
  // Makes every rank that waits inside one of them throw device_error. Callable from any thread.
  virtual void abort() noexcept = 0;
};

// What the ranks of several processes must know to find each other, for one set of runners: made by
// one process and carried to the others.
struct rank_meeting {
  std::string token;                // [meeting_token_bytes], drawn; known to these ranks only
  std::vector<std::string> places;  // [num_nodes]: where each process is met, HOST:PORT
  std::string device_group;         // what the devices' own communicator meets by; may be empty
  // Of this process: whoever sets it ends the waiting for the others. Never null.
  std::shared_ptr<std::atomic<bool>> is_aborted = std::make_shared<std::atomic<bool>>(false);
};
inline constexpr std::size_t meeting_token_bytes = 16;

// Makes the runners of this process's ranks, joined with those of the others; blocks until all have
// come. Throws device_error. Called again after a failure.
using rank_factory = std::function<std::vector<std::unique_ptr<runner>>(const rank_meeting&)>;

// Makes one runner per rank, joined by one communicator; called again after a failure.
using runner_factory = std::function<std::vector<std::unique_ptr<runner>>()>;

}  // namespace troupe
