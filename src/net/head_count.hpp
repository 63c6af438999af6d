// Counts who is still in the house: connections, and actors that a strand hosts. The io threads may
// stop only when nobody is left.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace troupe {

class head_count {
 public:
  // Leaves on destruction. Move only.
  class guest {
   public:
    guest() = default;
    explicit guest(std::shared_ptr<head_count> house) : house_(std::move(house)) {
      if (house_) house_->enter();
    }
    guest(guest&&) noexcept = default;
    guest& operator=(guest&& other) noexcept {
      leave();
      house_ = std::exchange(other.house_, nullptr);
      return *this;
    }
    ~guest() { leave(); }
    void leave() {
      if (auto house = std::exchange(house_, nullptr)) house->exit();
    }

   private:
    std::shared_ptr<head_count> house_;
  };

  std::size_t size() const { return size_; }
  // False if somebody is still there when the time is over.
  bool wait_until_empty(std::chrono::milliseconds time) const;

 private:
  void enter() { size_.fetch_add(1); }
  void exit();

  mutable std::mutex mutex_;
  mutable std::condition_variable emptied_;
  std::atomic<std::size_t> size_ = 0;
};

}  // namespace troupe
