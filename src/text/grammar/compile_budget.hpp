// What compiling one grammar may cost. Steps and bytes are counted where work can outgrow its
// source, so that the same source always ends in the same way; the clock is the last resort.
#pragma once
#include "core/outcome.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace troupe::grammar {

class compile_budget {
 public:
  struct limits {
    std::uint64_t steps = 1'200'000;        // languages, arcs, members; less than a second's work
    std::uint64_t bytes = 16U << 20U;       // of languages and value sets
    std::chrono::milliseconds time{1'000};  // of this thread
  };

  compile_budget() : compile_budget(limits()) {}
  explicit compile_budget(const limits& most);

  // Both are false once anything is spent.
  bool spend(std::uint64_t steps) {
    steps_ += steps;
    return steps_ < next_look_ ? !is_spent() : look();
  }
  bool hold(std::uint64_t bytes) {
    bytes_ += bytes;
    return bytes_ <= most_.bytes && !is_spent();
  }

  bool is_spent() const { return too_late_ || steps_ > most_.steps || bytes_ > most_.bytes; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t bytes() const { return bytes_; }
  // Which limit was met, and the code of a refusal for it.
  std::string reason() const;
  error_code code() const { return too_late_ ? error_code::timed_out : error_code::too_large; }

 private:
  bool look();

  limits most_;
  std::uint64_t steps_ = 0, bytes_ = 0, next_look_ = 0;
  std::chrono::nanoseconds deadline_{0};
  bool too_late_ = false;
};

}  // namespace troupe::grammar
