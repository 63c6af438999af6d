#include "cli/loading_guard.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace troupe {
namespace {

// Made beforehand: a signal's handler may neither allocate nor format.
std::array<char, 1024> line;
std::size_t line_bytes = 0;

void end_loading(int, siginfo_t* why, void*) {
  if (why->si_code == BUS_ADRERR && ::write(STDERR_FILENO, line.data(), line_bytes) >= 0) _exit(1);
  ::signal(SIGBUS, SIG_DFL);  // another fault: it comes again, and ends the process as it should
}

}  // namespace

loading_guard::loading_guard(const std::filesystem::path& model_dir) {
  auto name = model_dir.string().substr(0, line.size() / 2);
  auto text = "troupe: a file of " + name + " became shorter, or unreadable, while it was read\n";
  std::ranges::copy(text, line.begin());
  line_bytes = text.size();
  struct sigaction ours {};
  ours.sa_sigaction = end_loading;
  ours.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &ours, &before_);
}

loading_guard::~loading_guard() { sigaction(SIGBUS, &before_, nullptr); }

}  // namespace troupe
