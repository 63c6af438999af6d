// A process that this one started.
#pragma once
#include "core/outcome.hpp"

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

// Kills the process when it goes: none outlives its owner.
class child_process {
 public:
  explicit child_process(pid_t pid) : pid_(pid) {}
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  int pid() const { return pid_; }
  // What waitpid says; nothing while it runs.
  std::optional<int> find_status();
  // Nothing for one that has ended.
  void send(int signal);

 private:
  pid_t pid_;
  std::optional<int> status_;
};

// "exit status 1", "killed by signal Killed".
std::string describe_status(int status);

// Open files that become its own first three.
struct child_files {
  int input = STDIN_FILENO, output = STDOUT_FILENO, errors = STDERR_FILENO;
};

struct child_orders {
  std::string program;
  std::vector<std::string> words;      // its name for itself, then its arguments
  std::vector<std::string> variables;  // "NAME=value": its whole environment
  child_files files;
  std::uint64_t max_data_bytes = 0;  // its heap and stacks; 0: no limit but ours
};

// It has none of our other files, gets no Ctrl-C of our terminal, and is killed when this process,
// or the thread that called this, ends, however that happens.
outcome<std::unique_ptr<child_process>> launch_child(const child_orders& orders);

}  // namespace troupe
