#include "net/head_count.hpp"

namespace troupe {

void head_count::exit() {
  if (size_.fetch_sub(1) > 1) return;
  // With the lock, or it could fall between the look and the sleep of whoever waits.
  std::lock_guard lock(mutex_);
  emptied_.notify_all();
}

bool head_count::wait_until_empty(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, time, [this] { return size_ == 0; });
}

}  // namespace troupe
