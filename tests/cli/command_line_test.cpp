#include "cli/command_line.hpp"

#include <doctest/doctest.h>

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

using namespace troupe;

namespace {

// Catches what is written to a standard stream.
class capture {
 public:
  explicit capture(std::ostream& stream) : stream_(stream), old_(stream.rdbuf(text_.rdbuf())) {}
  ~capture() { stream_.rdbuf(old_); }
  capture(const capture&) = delete;
  capture& operator=(const capture&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::ostream& stream_;
  std::streambuf* old_;
};

struct run_result {
  int status = 0;
  std::string out, err;
};

run_result run(std::vector<std::string> words) {
  std::vector<char*> argv;
  words.insert(words.begin(), "troupe");
  for (auto& word : words) argv.push_back(word.data());
  capture out(std::cout), err(std::cerr);
  int status = run_command_line(static_cast<int>(argv.size()), argv.data());
  return {status, out.text(), err.text()};
}

}  // namespace

TEST_CASE("help names every limit with its default") {
  auto help = run({"serve", "--help"});
  CHECK(help.status == 0);
  for (auto flag :
       {"--max-num-seqs", "--max-num-batched-tokens", "--max-model-len", "--gpu-memory-utilization",
        "--tensor-parallel-size", "--served-model-name", "--dtype", "--quantization",
        "--load-format", "--queue-timeout", "--request-timeout", "--drain-timeout",
        "--max-num-queued-reqs", "--max-body-bytes"})
    CHECK_MESSAGE(help.out.find(flag) != std::string::npos, flag);
}

TEST_CASE("a wrong command line is refused in words, with status 2") {
  for (std::vector<std::string> words :
       {std::vector<std::string>{},
        {"sing"},
        {"serve"},
        {"serve", TROUPE_DEMO_MODEL, "--sing"},
        {"serve", TROUPE_DEMO_MODEL, "--port", "99999"},
        {"serve", TROUPE_DEMO_MODEL, "--tensor-parallel-size", "3"},
        {"serve", TROUPE_DEMO_MODEL, "--queue-timeout", "soon"},
        {"serve", TROUPE_DEMO_MODEL, "--config", "/nonexistent.toml"},
        {"serve", TROUPE_DEMO_MODEL, "--load-format", "gguf"},
        {"serve", TROUPE_DEMO_MODEL, "--quantization", "q4"},
        {"serve", TROUPE_DEMO_MODEL, "--gpu-memory-utilization", "nan"}}) {
    auto refused = run(words);
    CHECK(refused.status == 2);
    CHECK(!refused.err.empty());
  }
}

TEST_CASE("an unknown flag is refused with the nearest known one") {
  auto refused = run({"serve", TROUPE_DEMO_MODEL, "--max-num-seq=3"});
  CHECK(refused.status == 2);
  CHECK(refused.err.find("Did you mean --max-num-seqs?") != std::string::npos);
}

TEST_CASE("--plan prints the sum and leaves") {
  auto plan = run({"serve", TROUPE_DEMO_MODEL, "--plan", "--num-gpu-blocks-override", "300"});
  CHECK(plan.status == 0);
  CHECK(plan.out.find("300 pages of 16 tokens") != std::string::npos);
}

TEST_CASE("--print-config shows every flag with its origin and serves nothing") {
  auto shown = run({"serve", "/nonexistent-model", "--print-config", "--max-num-seqs", "7"});
  CHECK(shown.status == 0);
  CHECK(shown.out.find("max-num-seqs = 7  # from command line\n") != std::string::npos);
  CHECK(shown.out.find("queue-timeout = \"60s\"  # default\n") != std::string::npos);
}

TEST_CASE("--protocol lists the actors of the running system") {
  auto protocol = run({"serve", TROUPE_DEMO_MODEL, "--protocol"});
  CHECK(protocol.status == 0);
  CHECK(protocol.out.find("request_queue\n") != std::string::npos);
  CHECK(protocol.out.find("  submit -> accepted\n") != std::string::npos);
  CHECK(protocol.out.find("  render -> std::string\n") != std::string::npos);
}

TEST_CASE("a model that cannot be served ends with status 1 and one sentence") {
  auto refused = run({"serve", "/nonexistent-model"});
  CHECK(refused.status == 1);
  CHECK(refused.err.starts_with("troupe: "));
}
