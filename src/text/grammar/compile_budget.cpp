#include "text/grammar/compile_budget.hpp"

#include <algorithm>
#include <ctime>

namespace troupe::grammar {
namespace {

constexpr std::uint64_t steps_between_looks = 1U << 14U;

// Of this thread: what others do on the machine refuses nobody's schema.
std::chrono::nanoseconds time_worked() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

compile_budget::compile_budget(const limits& most)
    : most_(most), next_look_(steps_between_looks), deadline_(time_worked() + most.time) {}

bool compile_budget::look() {
  next_look_ = steps_ + steps_between_looks;
  too_late_ = too_late_ || time_worked() > deadline_;
  return !is_spent();
}

std::string compile_budget::reason() const {
  if (too_late_) {
    return "compiling takes longer than " + std::to_string(most_.time.count()) + " ms";
  }
  if (bytes_ > most_.bytes) {
    return "compiling takes more than " + std::to_string(most_.bytes >> 20U) + " MiB";
  }
  if (steps_ > most_.steps) {
    return "compiling takes more than " + std::to_string(most_.steps) + " steps";
  }
  return "an automaton of it has more than 50,000 states";
}

}  // namespace troupe::grammar
