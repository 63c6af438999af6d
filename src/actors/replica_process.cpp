#include "actors/replica_process.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace troupe {
namespace {

class child_process : public replica_process {
 public:
  explicit child_process(pid_t pid) : pid_(pid) {}
  ~child_process() override {
    if (end_) return;
    ::kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  int pid() const override { return pid_; }
  std::optional<std::string> find_end() override {
    int status = 0;
    if (!end_ && waitpid(pid_, &status, WNOHANG) == pid_) end_ = describe(status);
    return end_;
  }
  void kill() override {
    if (!end_) ::kill(pid_, SIGKILL);
  }

 private:
  static std::string describe(int status) {
    if (WIFSIGNALED(status)) return std::string("killed by signal ") + strsignal(WTERMSIG(status));
    return "exit status " + std::to_string(WEXITSTATUS(status));
  }

  pid_t pid_;
  std::optional<std::string> end_;
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: only what is safe while the parent's other threads may hold locks.
[[noreturn]] void become(const char* program, char** arguments, char** variables, pid_t parent,
                         int input) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  setpgid(0, 0);  // a Ctrl-C is for the fleet, which lets its replicas finish
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(input, STDIN_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, 0);  // a listening socket, clients' connections
  execve(program, arguments, variables);
  _exit(127);
}

}  // namespace

outcome<std::unique_ptr<replica_process>> launch_process(const std::string& program,
                                                         const std::vector<std::string>& arguments,
                                                         const std::vector<std::string>& variables,
                                                         int input) {
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto environment = variables;
  auto argv = pointers_to(words);
  auto envp = pointers_to(environment);
  auto parent = getpid();
  auto pid = fork();
  if (pid == 0) become(program.c_str(), argv.data(), envp.data(), parent, input);
  if (pid < 0)
    return failure{error_code::io_error,
                   std::string("a replica's process cannot be made: ") + std::strerror(errno)};
  return std::unique_ptr<replica_process>(std::make_unique<child_process>(pid));
}

}  // namespace troupe
