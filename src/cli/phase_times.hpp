// What the start spent its time on, for the log.
#pragma once
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

class phase_times {
 public:
  using clock = std::chrono::steady_clock;

  explicit phase_times(clock::time_point now) : start_(now), last_(now) {}

  // What began when the phase before it ended.
  void end(std::string name, clock::time_point now) {
    phases_.emplace_back(std::move(name), now - last_);
    last_ = now;
  }
  // "0.412 s: plan 0.101, weights 0.311"
  std::string text() const;

 private:
  clock::time_point start_;
  clock::time_point last_;
  std::vector<std::pair<std::string, clock::duration>> phases_;
};

}  // namespace troupe
