// What the operating system says this process uses.
#pragma once
#include <cstdint>

namespace troupe {

struct process_usage {
  double cpu_seconds = 0;
  double start_time = 0;  // seconds since 1970
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t num_open_files = 0;
  std::uint64_t max_open_files = 0;
};

// Zero where the system does not tell.
process_usage read_process_usage();

// What of the resident bytes nobody else can take back: not the pages of files. Zero as above.
std::uint64_t read_kept_bytes();

}  // namespace troupe
