#include "actors/process_usage.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace troupe {
namespace {

// The fields of proc(5)'s /proc/PID/stat after the name, which may hold blanks and brackets.
constexpr int utime_idx = 11, stime_idx = 12, starttime_idx = 19, vsize_idx = 20, rss_idx = 21;

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("btime ")) return std::stod(line.substr(6));
  return 0;
}

void read_stat(process_usage& usage) {
  std::ifstream file("/proc/self/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields(text.substr(name_end + 1));
  auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const double booted = boot_time();
  std::string field;
  for (int i = 0; fields >> field && i <= rss_idx; ++i) {
    if (i == utime_idx || i == stime_idx) usage.cpu_seconds += std::stod(field) / ticks_per_second;
    if (i == starttime_idx) usage.start_time = booted + std::stod(field) / ticks_per_second;
    if (i == vsize_idx) usage.virtual_bytes = std::stoull(field);
    if (i == rss_idx)
      usage.resident_bytes = std::stoull(field) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
}

}  // namespace

process_usage read_process_usage() {
  process_usage usage;
  read_stat(usage);
  std::error_code ignored;
  std::filesystem::directory_iterator files("/proc/self/fd", ignored);
  if (!ignored)
    usage.num_open_files = static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_open_files = limit.rlim_cur;
  return usage;
}

std::uint64_t read_kept_bytes() {
  std::ifstream file("/proc/self/status");
  std::uint64_t kilobytes = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t value = 0;
    words >> key >> value;
    if (key == "RssAnon:" || key == "RssShmem:") kilobytes += value;
  }
  return kilobytes * 1024;
}

}  // namespace troupe
