#include "actors/child_process.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace troupe {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: only what is safe while the parent's other threads may hold locks.
[[noreturn]] void become(const char* program, char** arguments, char** variables, pid_t parent,
                         child_files files, std::uint64_t max_data_bytes) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);  // a Ctrl-C is for us, who let our children finish
  for (int which : {SIGPIPE, SIGXFSZ}) std::signal(which, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (max_data_bytes > 0) {
    const rlimit limit{max_data_bytes, max_data_bytes};
    setrlimit(RLIMIT_DATA, &limit);
  }
  dup2(files.input, STDIN_FILENO);
  dup2(files.output, STDOUT_FILENO);
  dup2(files.errors, STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);  // a listening socket, clients' connections
  execve(program, arguments, variables);
  _exit(127);
}

}  // namespace

child_process::~child_process() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<int> child_process::find_status() {
  int status = 0;
  if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_;
}

void child_process::send(int signal) {
  if (!find_status()) ::kill(pid_, signal);
}

std::string describe_status(int status) {
  if (WIFSIGNALED(status)) return std::string("killed by signal ") + strsignal(WTERMSIG(status));
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

outcome<std::unique_ptr<child_process>> launch_child(const child_orders& orders) {
  auto words = orders.words;
  auto environment = orders.variables;
  auto argv = pointers_to(words);
  auto envp = pointers_to(environment);
  auto parent = getpid();
  auto pid = fork();
  if (pid == 0)
    become(orders.program.c_str(), argv.data(), envp.data(), parent, orders.files,
           orders.max_data_bytes);
  if (pid < 0)
    return failure{error_code::io_error,
                   std::string("a process cannot be made: ") + std::strerror(errno)};
  return std::make_unique<child_process>(pid);
}

}  // namespace troupe
