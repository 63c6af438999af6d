// When a part that died is started again. A few deaths in a short time are borne with short pauses;
// what dies on and on is degraded: it is tried again every so often, for ever, so that it comes
// back by itself when the cause goes, and costs next to nothing until then.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace troupe {

struct restart_options {
  std::uint32_t max_restarts = 3;  // within `window`, before it is degraded
  std::chrono::milliseconds window{10'000};
  std::chrono::milliseconds first_delay{100};   // doubles with every death in a row ...
  std::chrono::milliseconds max_delay{10'000};  // ... up to this; a degraded part waits this long
  std::chrono::milliseconds stable_after{60'000};  // ready so long, it starts with a clean sheet
};

struct restart_plan {
  std::chrono::milliseconds delay{0};   // from now; there is always a next attempt
  bool is_degraded = false;             // more deaths than its options bear: say so to whoever asks
  std::uint32_t num_deaths_in_row = 0;  // this one included, none of them after a stable time
};

class restart_backoff {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit restart_backoff(restart_options options = {}) : options_(options) {}

  // It serves. A degraded part is so no longer, but it is stable only `stable_after` later.
  void became_ready(time_point now);
  // It died, while starting or ready. Degraded: more than max_restarts deaths within the window, or
  // so many in a row that the delay has reached max_delay, however slowly they came, or any death
  // after such a one until it has been stable.
  restart_plan died(time_point now);

  // Since a death and until it is ready: the readiness of the process shows it.
  bool is_degraded() const { return is_degraded_; }

 private:
  std::chrono::milliseconds longest_delay() const;
  std::chrono::milliseconds next_delay() const;

  restart_options options_;
  std::deque<time_point> deaths_;  // within the window: at most max_restarts + 1
  std::uint32_t num_in_row_ = 0;
  std::optional<time_point> ready_since_;
  bool is_degraded_ = false;
  bool is_unstable_ = false;  // it was degraded and has not been stable since
};

}  // namespace troupe
