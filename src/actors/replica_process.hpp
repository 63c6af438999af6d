// A replica's process, as the fleet that started it sees it.
#pragma once
#include "core/outcome.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

// Whoever drops it kills the process: no replica outlives its fleet.
class replica_process {
 public:
  virtual ~replica_process() = default;
  virtual int pid() const = 0;
  // How it ended, in words; nothing while it runs.
  virtual std::optional<std::string> find_end() = 0;
  virtual void kill() = 0;
};

// Runs a program with these arguments and this environment ("NAME=value"); what it prints goes
// where ours goes, its standard input is `input`. It has none of our other files, and is killed
// when this process ends, however that happens.
outcome<std::unique_ptr<replica_process>> launch_process(const std::string& program,
                                                         const std::vector<std::string>& arguments,
                                                         const std::vector<std::string>& variables,
                                                         int input);

}  // namespace troupe
