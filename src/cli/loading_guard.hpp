// While a checkpoint is read: a mapped file that becomes shorter under the reader ends the process
// with one line and status 1, not with a signal. For the program alone: a host's signals are its
// own.
#pragma once
#include <csignal>
#include <filesystem>

namespace troupe {

class loading_guard {
 public:
  // At most one at a time. `model_dir` is for the line.
  explicit loading_guard(const std::filesystem::path& model_dir);
  ~loading_guard();
  loading_guard(const loading_guard&) = delete;
  loading_guard& operator=(const loading_guard&) = delete;

 private:
  struct sigaction before_ {};
};

}  // namespace troupe
