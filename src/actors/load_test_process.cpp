#include "actors/load_test_process.hpp"

#include "actors/child_process.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

namespace troupe {
namespace {

// What a test asks for may be made to hurt; it is no reason for the server to go.
constexpr std::uint64_t max_data_bytes = 2ULL << 30;

// An open file, closed when its owner goes.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int number) : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_ = -1;
};

struct two_ends {
  descriptor ours, theirs;
};

// What is written at their end is read at ours, which never waits.
outcome<two_ends> open_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    return failure{error_code::io_error, std::string("no pipe: ") + std::strerror(errno)};
  two_ends out{descriptor(ends[0]), descriptor(ends[1])};
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return out;
}

std::string read_all(const descriptor& from) {
  constexpr std::size_t enough = 1U << 20;  // the rest waits for the next time
  std::string out;
  std::array<char, 16384> some;
  while (out.size() < enough) {
    auto count = ::read(from.number(), some.data(), some.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    out.append(some.data(), static_cast<std::size_t>(count));
  }
  return out;
}

class bench_process : public load_test_process {
 public:
  bench_process(std::unique_ptr<child_process> child, descriptor output, descriptor errors)
      : child_(std::move(child)), output_(std::move(output)), errors_(std::move(errors)) {}

  std::string read_output() override { return read_all(output_); }
  std::string read_errors() override { return read_all(errors_); }
  std::optional<load_test_end> find_end() override {
    auto status = child_->find_status();
    if (!status) return std::nullopt;
    load_test_end out{.exit_status = std::nullopt, .words = describe_status(*status)};
    if (WIFEXITED(*status)) out.exit_status = WEXITSTATUS(*status);
    return out;
  }
  void interrupt() override { child_->send(SIGINT); }
  void kill() override { child_->send(SIGKILL); }

 private:
  std::unique_ptr<child_process> child_;
  descriptor output_, errors_;
};

// Ours, without our own settings and keys.
std::vector<std::string> environment_with(const std::string& api_key) {
  std::vector<std::string> out;
  for (char** each = environ; *each != nullptr; ++each) {
    std::string_view variable(*each);
    if (!variable.starts_with("TROUPE_") && !variable.starts_with("OPENAI_API_KEY="))
      out.emplace_back(variable);
  }
  if (!api_key.empty()) out.push_back("TROUPE_API_KEY=" + api_key);
  return out;
}

std::vector<std::string> words_of(const load_test_orders& orders) {
  auto file = [&](const char* name) { return (orders.folder / name).string(); };
  std::vector<std::string> words{"troupe", "bench", orders.address, "--json-lines"};
  // Whoever is asked is this server, and no name: a certificate proves nothing more.
  if (orders.address.starts_with("https://")) words.emplace_back("--insecure");
  words.insert(words.end(), orders.arguments.begin(), orders.arguments.end());
  words.push_back("--json=" + file("report.json"));
  words.push_back("--html=" + file("report.html"));
  words.push_back("--csv=" + file("report"));
  words.push_back("--ledger=" + file("ledger.jsonl"));
  return words;
}

}  // namespace

outcome<std::unique_ptr<load_test_process>> launch_load_test(const load_test_orders& orders) {
  auto output = open_pipe();
  if (!output) return output.error();
  auto errors = open_pipe();
  if (!errors) return errors.error();
  descriptor silence(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto child = launch_child({.program = "/proc/self/exe",
                             .words = words_of(orders),
                             .variables = environment_with(orders.api_key),
                             .files = {.input = silence.number(),
                                       .output = output->theirs.number(),
                                       .errors = errors->theirs.number()},
                             .max_data_bytes = max_data_bytes});
  if (!child) return child.error();
  return std::unique_ptr<load_test_process>(std::make_unique<bench_process>(
      *std::move(child), std::move(output->ours), std::move(errors->ours)));
}

}  // namespace troupe
