// A value, or the reason why there is none. Input becomes a value or a refusal, never an exception.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace troupe {

enum class error_code : std::uint8_t {
  invalid_argument = 1,  // the caller's input is wrong
  not_found,             // no such model, route or file
  too_large,             // over a limit of size
  queue_full,            // overload: try again later
  timed_out,             // a deadline passed
  engine_failed,         // an executor died or the device reported an error
  shutting_down,         // the server drains
  io_error,              // a file could not be read
  unsupported,           // well-formed, but not something we do
  unavailable,           // nobody is there to do it: try again later
  constraint_failed,     // the grammar of an answer, or what compiles it, failed: our mistake
};

struct failure {
  error_code code = error_code::invalid_argument;
  std::string message;  // one sentence for a human: what was found, what was expected
  std::string field;    // the input's field or file, empty when it is the whole input
  std::chrono::milliseconds retry_after{0};  // > 0 for overload
};

template <class T, class Error = failure>
class [[nodiscard]] outcome {
 public:
  outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  outcome(Error why) : state_(std::in_place_index<1>, std::move(why)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

struct nothing {};
using refusal = outcome<nothing>;  // success carries no value

}  // namespace troupe
