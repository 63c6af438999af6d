// Control groups as systems and containers show them, in a folder of the test's own.
#include "engine/machine.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <string>

using namespace troupe;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t gib = 1ULL << 30;

class fake_system {
 public:
  fake_system() {
    static int number = 0;
    root_ = fs::temp_directory_path() /
            ("troupe-machine-" + std::to_string(getpid()) + "-" + std::to_string(++number));
    write("proc/meminfo", "MemTotal:  16777216 kB\nMemFree: 1 kB\nMemAvailable: 12582912 kB\n");
  }
  ~fake_system() { fs::remove_all(root_); }
  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  machine read(std::uint32_t num_cores = 8) const { return *read_machine(root_, num_cores); }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

}  // namespace

TEST_CASE("without a bound the machine is ours") {
  fake_system system;
  system.write("proc/self/cgroup", "0::/\n");
  system.write("sys/fs/cgroup/memory.max", "max\n");
  system.write("sys/fs/cgroup/cpu.max", "max 100000\n");
  auto here = system.read();
  CHECK(here.memory_bytes == 16 * gib);
  CHECK(here.available_bytes == 12 * gib);
  CHECK(here.num_cores == 8);
  CHECK_FALSE(here.is_memory_bounded);
  CHECK_FALSE(here.are_cores_bounded);
}

TEST_CASE("version 2: a container's own group is the root that it sees") {
  fake_system system;
  system.write("proc/self/cgroup", "0::/\n");
  system.write("sys/fs/cgroup/memory.max", "4294967296\n");
  system.write("sys/fs/cgroup/memory.current", "2147483648\n");
  system.write("sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 1073741824\nactive_file 9\n");
  system.write("sys/fs/cgroup/cpu.max", "250000 100000\n");
  auto here = system.read();
  CHECK(here.memory_bytes == 4 * gib);
  CHECK(here.available_bytes == 3 * gib);  // idle files make room
  CHECK(here.num_cores == 2);              // whole ones
  CHECK(here.is_memory_bounded);
  CHECK(here.are_cores_bounded);
}

TEST_CASE("version 2: the tightest bound on the way up counts") {
  fake_system system;
  system.write("proc/self/cgroup", "0::/system.slice/troupe.service\n");
  system.write("sys/fs/cgroup/system.slice/memory.max", "2147483648\n");
  system.write("sys/fs/cgroup/system.slice/memory.current", "1610612736\n");
  system.write("sys/fs/cgroup/system.slice/troupe.service/memory.max", "8589934592\n");
  system.write("sys/fs/cgroup/system.slice/troupe.service/cpu.max", "50000 100000\n");
  auto here = system.read();
  CHECK(here.memory_bytes == 2 * gib);
  CHECK(here.available_bytes == gib / 2);
  CHECK(here.num_cores == 1);  // never none
}

TEST_CASE("version 1: limits by controller, also where the path is the host's") {
  fake_system system;
  system.write("proc/self/cgroup", "5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n1:name=x:/\n");
  system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
  system.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "805306368\n");
  system.write("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 268435456\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  auto here = system.read();
  CHECK(here.memory_bytes == gib);
  CHECK(here.available_bytes == gib / 2);
  CHECK(here.num_cores == 3);
}

TEST_CASE("version 1: its words for no limit") {
  fake_system system;
  system.write("proc/self/cgroup", "4:memory:/\n1:cpu:/\n");
  system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  system.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  system.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  auto here = system.read();
  CHECK(here.memory_bytes == 16 * gib);
  CHECK_FALSE(here.is_memory_bounded);
  CHECK(here.num_cores == 8);
}

TEST_CASE("a group that is over its limit leaves nothing") {
  fake_system system;
  system.write("proc/self/cgroup", "0::/\n");
  system.write("sys/fs/cgroup/memory.max", "1000\n");
  system.write("sys/fs/cgroup/memory.current", "2000\n");
  CHECK(system.read().available_bytes == 0);
}

TEST_CASE("a system that does not tell its memory is an error, a broken group none") {
  fake_system system;
  system.write("proc/self/cgroup", "nonsense\n:\n0::\n7:\n");
  system.write("sys/fs/cgroup/memory.max", "many\n");
  CHECK(system.read().memory_bytes == 16 * gib);
  system.write("proc/meminfo", "MemTotal: 1 kB\n");
  CHECK_FALSE(read_machine(system.root(), 8));
  CHECK(read_machine());
  CHECK(count_cores() >= 1);
}
