// What one owner holds of a sum that many have a part in; given back at its end.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace troupe {

using shared_sum = std::shared_ptr<std::atomic<std::uint64_t>>;

class held_bytes {
 public:
  // Without a sum nobody counts.
  explicit held_bytes(shared_sum sum = nullptr) : sum_(std::move(sum)) {}
  ~held_bytes() { set(0); }
  held_bytes(const held_bytes&) = delete;
  held_bytes& operator=(const held_bytes&) = delete;

  void set(std::uint64_t num_bytes) {
    auto before = std::exchange(num_bytes_, num_bytes);
    if (!sum_ || before == num_bytes) return;
    sum_->fetch_add(num_bytes - before, std::memory_order_relaxed);  // wraps to a subtraction
  }

 private:
  shared_sum sum_;
  std::uint64_t num_bytes_ = 0;
};

}  // namespace troupe
