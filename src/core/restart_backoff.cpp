#include "core/restart_backoff.hpp"

#include <algorithm>

namespace troupe {

void restart_backoff::became_ready(time_point now) {
  if (!ready_since_) ready_since_ = now;
  is_degraded_ = false;
}

// Never nothing: what dies at once must not keep a core busy.
std::chrono::milliseconds restart_backoff::longest_delay() const {
  return std::max(options_.max_delay, std::chrono::milliseconds{1});
}

std::chrono::milliseconds restart_backoff::next_delay() const {
  auto delay = std::clamp(options_.first_delay, std::chrono::milliseconds{1}, longest_delay());
  for (std::uint32_t i = 1; i < num_in_row_ && delay < longest_delay(); ++i)
    delay = std::min(delay * 2, longest_delay());
  return delay;
}

restart_plan restart_backoff::died(time_point now) {
  if (ready_since_ && now - *ready_since_ >= options_.stable_after) {
    num_in_row_ = 0;
    is_unstable_ = false;
    deaths_.clear();
  }
  ready_since_.reset();
  deaths_.push_back(now);
  while (now - deaths_.front() > options_.window || deaths_.size() > options_.max_restarts + 1ULL)
    deaths_.pop_front();
  num_in_row_ += num_in_row_ < ~0U ? 1 : 0;
  auto delay = next_delay();
  is_unstable_ = is_unstable_ || deaths_.size() > options_.max_restarts || delay >= longest_delay();
  is_degraded_ = is_unstable_;
  return {.delay = is_degraded_ ? longest_delay() : delay,
          .is_degraded = is_degraded_,
          .num_deaths_in_row = num_in_row_};
}

}  // namespace troupe
