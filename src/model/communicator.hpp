// How the ranks of a replica meet. Every rank calls the same operations in the same order; a rank
// that waits for a peer is released with device_error by abort(), whoever calls it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/runner.hpp"

namespace troupe {

class communicator {
 public:
  virtual ~communicator() = default;
  virtual std::uint32_t rank() const = 0;
  virtual std::uint32_t size() const = 0;
  // From any thread, at any time, more than once. The communicator is of no further use.
  virtual void abort() noexcept = 0;
};

// Of ranks whose memory is the host's: an operation is done when its call returns. Other devices
// have communicators of their own, which only they know how to use.
class host_communicator : public communicator {
 public:
  // data[i] = sum over the ranks of their data[i], in rank order: the same bits on every rank.
  virtual void all_reduce(float* data, std::size_t count) = 0;
  // all[r * num_bytes ..] = rank r's mine; `all` holds size() * num_bytes.
  virtual void all_gather(const void* mine, std::size_t num_bytes, void* all) = 0;
  // Rank 0's bytes on every rank.
  virtual void broadcast(void* data, std::size_t num_bytes) = 0;
  virtual void barrier() = 0;
};

// One rank: every operation is done as soon as it is asked for.
std::unique_ptr<host_communicator> make_loopback_communicator();
// Ranks that are threads of this process and whose memory is the host's.
std::vector<std::unique_ptr<host_communicator>> make_host_communicators(std::uint32_t size);

}  // namespace troupe
