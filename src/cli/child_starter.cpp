#include "cli/child_starter.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <string_view>
#include <utility>

namespace troupe {

outcome<std::shared_ptr<child_starter>> child_starter::make(const std::string& config) {
  auto out = std::make_shared<child_starter>();
  out->config_ = memfd_create("troupe configuration", MFD_CLOEXEC);
  auto size = static_cast<ssize_t>(config.size());
  if (out->config_ < 0 || write(out->config_, config.data(), config.size()) != size)
    return failure{error_code::io_error, "cannot keep the configuration of other processes"};
  return out;
}

child_starter::~child_starter() {
  if (config_ >= 0) ::close(config_);
}

outcome<std::unique_ptr<replica_process>> child_starter::launch(
    std::vector<std::string> arguments, std::vector<std::string> more_variables) const {
  std::vector<std::string> words{"serve", "--config", "/dev/stdin"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = std::move(more_variables);
  for (char** each = environ; *each != nullptr; ++each)
    if (!std::string_view(*each).starts_with("TROUPE_")) variables.emplace_back(*each);
  return launch_process("/proc/self/exe", words, variables, config_);
}

}  // namespace troupe
