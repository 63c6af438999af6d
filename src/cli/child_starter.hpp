// Starts this program again, as a process of ours with a configuration that only it sees.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/replica_process.hpp"
#include "core/outcome.hpp"

namespace troupe {

class child_starter {
 public:
  // `config`: the file that each of them reads its flags from.
  static outcome<std::shared_ptr<child_starter>> make(const std::string& config);
  child_starter() = default;
  ~child_starter();
  child_starter(const child_starter&) = delete;
  child_starter& operator=(const child_starter&) = delete;

  // `troupe serve` with that configuration, these arguments over it, our environment without what
  // configures us, and these variables ("NAME=value").
  outcome<std::unique_ptr<replica_process>> launch(std::vector<std::string> arguments,
                                                   std::vector<std::string> more_variables) const;

 private:
  int config_ = -1;
};

}  // namespace troupe
