// What of the machine is this process's: all of it, or what its control group (a container, a unit
// of systemd) may use. The one place that asks.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/outcome.hpp"

namespace troupe {

struct machine {
  std::uint64_t memory_bytes = 0;     // the most that this process can have
  std::uint64_t available_bytes = 0;  // of these, not used at present
  std::uint32_t num_cores = 1;
  bool is_memory_bounded = false;  // by a control group
  bool are_cores_bounded = false;
};

// Looks below `root`, which is / but in tests: proc/meminfo, proc/self/cgroup and the limits of
// that group and of those around it (version 2, or 1). `num_system_cores` are those that the
// scheduler lets this process run on. Fails if the system does not tell its memory.
outcome<machine> read_machine(const std::filesystem::path& root, std::uint32_t num_system_cores);
outcome<machine> read_machine();

// Cores of this machine, or of its control group; at least 1.
std::uint32_t count_cores();

}  // namespace troupe
