// Makes planned memory really there, beside the work: gigabytes of KV pages would hold the first
// answer up by seconds. What is used before its turn comes is there at its first use.
#pragma once
#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace troupe {

class memory_filler {
 public:
  // Starts a thread that rests most of the time. The blocks outlive the filler; their contents
  // stay as they are, whoever writes to them meanwhile.
  explicit memory_filler(std::vector<std::span<std::byte>> blocks);
  ~memory_filler();
  memory_filler(const memory_filler&) = delete;
  memory_filler& operator=(const memory_filler&) = delete;

  // Of all blocks.
  std::size_t num_bytes_done() const { return num_bytes_done_.load(std::memory_order_relaxed); }

 private:
  void fill();

  std::vector<std::span<std::byte>> blocks_;
  std::atomic<std::size_t> num_bytes_done_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace troupe
