#include "net/head_count.hpp"

namespace troupe {

void head_count::enter() {
  std::lock_guard lock(mutex_);
  ++size_;
}

void head_count::exit() {
  std::lock_guard lock(mutex_);
  if (--size_ == 0) emptied_.notify_all();
}

std::size_t head_count::size() const {
  std::lock_guard lock(mutex_);
  return size_;
}

bool head_count::wait_until_empty(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, time, [this] { return size_ == 0; });
}

}  // namespace troupe
