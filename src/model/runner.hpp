// One rank's share of a model on its device: what an executor drives. The real one is forward +
// a device; a simulated one only takes time.
#pragma once
#include "core/batch.hpp"

#include <functional>
#include <memory>
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
  // Performs one step; blocks until it is done. Every rank of a replica gets the same batches in
  // the same order; rank 0 answers the samples, the others answer none. Throws device_error.
  virtual step_result run(const step_batch& batch) = 0;
  // Makes every rank that waits inside run() throw device_error. Callable from any thread.
  virtual void abort() noexcept = 0;
};

// Makes one runner per rank, joined by one communicator; called again after a failure.
using runner_factory = std::function<std::vector<std::unique_ptr<runner>>()>;

}  // namespace troupe
