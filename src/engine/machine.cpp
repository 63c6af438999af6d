#include "engine/machine.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

namespace troupe {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// "max", "-1" and what is no number are no bound.
std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

// Of lines such as "inactive_file 4096" or "MemAvailable:  4096 kB".
std::optional<std::uint64_t> find_number(const std::string& text, std::string_view wanted) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key, value;
    if (words >> key >> value && key == wanted) return to_number(value);
  }
  return std::nullopt;
}

struct group_bounds {
  std::optional<std::uint64_t> memory_bytes;  // the lowest limit on the way up
  std::uint64_t free_bytes = ~0ULL;           // the least that is left below one
  std::optional<double> cores;
};

// Where one version keeps what, in each group's folder.
struct group_files {
  std::string_view limit, usage, inactive;
};
constexpr group_files files_v2{"memory.max", "memory.current", "inactive_file"};
constexpr group_files files_v1{"memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file"};

void note_memory(const fs::path& group, const group_files& files, group_bounds& bounds) {
  auto limit = to_number(read_file(group / files.limit));
  if (!limit) return;
  bounds.memory_bytes = std::min(bounds.memory_bytes.value_or(*limit), *limit);
  // Files that nobody looked at lately are in the usage, and make room when it is needed.
  auto used = to_number(read_file(group / files.usage)).value_or(0);
  auto idle = find_number(read_file(group / "memory.stat"), files.inactive).value_or(0);
  used -= std::min(used, idle);
  bounds.free_bytes = std::min(bounds.free_bytes, *limit - std::min(*limit, used));
}

void note_quota(std::string_view quota, std::string_view period, group_bounds& bounds) {
  auto time = to_number(quota), of = to_number(period);
  if (!time || !of || *time == 0 || *of == 0) return;
  auto cores = static_cast<double>(*time) / static_cast<double>(*of);
  bounds.cores = std::min(bounds.cores.value_or(cores), cores);
}

void note_cores_v2(const fs::path& group, group_bounds& bounds) {
  std::istringstream words(read_file(group / "cpu.max"));
  std::string quota, period;
  if (words >> quota >> period) note_quota(quota, period, bounds);
}

void note_cores_v1(const fs::path& group, group_bounds& bounds) {
  note_quota(read_file(group / "cpu.cfs_quota_us"), read_file(group / "cpu.cfs_period_us"), bounds);
}

// The group's folder and those around it, up to `top`: any of them may have the tighter bound. In a
// container the path may be one that only its host sees; `top` is the container's own group then.
std::vector<fs::path> groups_of(const fs::path& top, const std::string& path) {
  std::vector<fs::path> out{top};
  auto at = top;
  for (auto& part : fs::path(path).relative_path()) {
    at /= part;
    out.push_back(at);
  }
  return out;
}

// A line is "0::/path" in version 2, "4:memory:/path" or "1:cpu,cpuacct:/path" in version 1.
group_bounds read_bounds(const fs::path& root) {
  group_bounds bounds;
  const auto top = root / "sys/fs/cgroup";
  std::istringstream lines(read_file(root / "proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    auto first = line.find(':');
    auto second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    auto controllers = line.substr(first + 1, second - first - 1);
    auto path = line.substr(second + 1);
    auto has = [list = "," + controllers + ","](const std::string& name) {
      return list.find("," + name + ",") != list.npos;
    };
    if (controllers.empty())
      for (auto& group : groups_of(top, path)) {
        note_memory(group, files_v2, bounds);
        note_cores_v2(group, bounds);
      }
    if (has("memory"))
      for (auto& group : groups_of(top / "memory", path)) note_memory(group, files_v1, bounds);
    if (has("cpu"))
      for (auto& group : groups_of(top / controllers, path)) note_cores_v1(group, bounds);
    if (has("cpu") && controllers != "cpu")
      for (auto& group : groups_of(top / "cpu", path)) note_cores_v1(group, bounds);
  }
  return bounds;
}

}  // namespace

outcome<machine> read_machine(const fs::path& root, std::uint32_t num_system_cores) {
  constexpr std::uint64_t kib = 1024;
  auto facts = read_file(root / "proc/meminfo");
  auto total = find_number(facts, "MemTotal:"), available = find_number(facts, "MemAvailable:");
  if (!total || !available)
    return failure{error_code::io_error, "/proc/meminfo does not tell the available memory"};
  machine out{.memory_bytes = *total * kib,
              .available_bytes = *available * kib,
              .num_cores = std::max(1U, num_system_cores)};
  auto bounds = read_bounds(root);
  if (bounds.memory_bytes && *bounds.memory_bytes < out.memory_bytes) {
    out.memory_bytes = *bounds.memory_bytes;
    out.is_memory_bounded = true;
  }
  out.available_bytes = std::min({out.available_bytes, out.memory_bytes, bounds.free_bytes});
  // Whole cores only: one thread more than the quota pays for stops all of them until the next
  // period begins.
  if (bounds.cores && *bounds.cores < out.num_cores) {
    out.num_cores = std::max(1U, static_cast<std::uint32_t>(*bounds.cores));
    out.are_cores_bounded = true;
  }
  return out;
}

outcome<machine> read_machine() { return read_machine("/", std::thread::hardware_concurrency()); }

std::uint32_t count_cores() {
  auto here = read_machine();
  return here ? here->num_cores : std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace troupe
