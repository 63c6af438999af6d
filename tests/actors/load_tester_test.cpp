// The actor that owns a load test's process, with a process of the test's own; it has a thread, so
// the clock is the real one and nothing here is said about how long things take.
#include "actors/load_tester.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "actors/child_process.hpp"
#include "stage.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What the test and the process say to each other, across threads.
struct wire {
  std::mutex lock;
  std::string output, errors;
  std::optional<load_test_end> end;
  load_test_orders orders;
  std::atomic<int> num_interrupts = 0, num_kills = 0, num_alive = 0;

  template <class Work>
  auto with_lock(const Work& work) {
    std::lock_guard guard(lock);
    return work();
  }
};

class fake_process : public load_test_process {
 public:
  explicit fake_process(std::shared_ptr<wire> line) : line_(std::move(line)) { ++line_->num_alive; }
  ~fake_process() override { --line_->num_alive; }
  std::string read_output() override {
    return line_->with_lock([&] { return std::exchange(line_->output, {}); });
  }
  std::string read_errors() override {
    return line_->with_lock([&] { return std::exchange(line_->errors, {}); });
  }
  std::optional<load_test_end> find_end() override {
    return line_->with_lock([&] { return line_->end; });
  }
  void interrupt() override { ++line_->num_interrupts; }
  void kill() override { ++line_->num_kills; }

 private:
  std::shared_ptr<wire> line_;
};

struct tester_stage {
  explicit tester_stage(load_test_bounds bounds = {}) {
    auto launch =
        [line =
             line](const load_test_orders& orders) -> outcome<std::unique_ptr<load_test_process>> {
      if (orders.arguments.empty()) return failure{error_code::io_error, "no process today"};
      line->with_lock([&] {
        line->orders = orders;
        line->end.reset();
      });
      return std::unique_ptr<load_test_process>(std::make_unique<fake_process>(line));
    };
    tests = spawn_load_tester(system, spawn_meter(system, "m"), launch, bounds);
    self->send(tests, open_load_tests{"http://127.0.0.1:1"});
  }
  ~tester_stage() { caf::anon_send_exit(tests, caf::exit_reason::user_shutdown); }

  template <class Answer, class Question>
  outcome<Answer> ask(Question question) {
    outcome<Answer> out = failure{};
    self->request(tests, 30s, std::move(question))
        .receive([&](Answer& answer) { out = std::move(answer); },
                 [&](caf::error& why) { out = to_failure(why); });
    return out;
  }
  load_test_view view(std::uint64_t number, std::uint64_t first_line = 0) {
    return *ask<load_test_view>(ask_load_test{number, first_line});
  }
  template <class Condition>
  void wait_until(const Condition& condition) {
    auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(5ms);
    }
  }
  void end_with(int status) {
    line->with_lock(
        [&] { line->end = load_test_end{.exit_status = status, .words = "status", .files = {}}; });
  }

  std::shared_ptr<wire> line = std::make_shared<wire>();
  caf::actor_system_config config = make_config(caf::atom("sharing"));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  load_tester tests;
};

}  // namespace

TEST_CASE("a load test runs, is watched, and leaves its files until it is forgotten") {
  tester_stage stage({.max_kept = 1});
  auto begun = stage.ask<load_test_started>(start_load_test{{"--rate=5"}, "key"});
  REQUIRE(bool(begun));
  CHECK(begun->is_new);
  CHECK(stage.line->orders.address == "http://127.0.0.1:1");
  CHECK(stage.line->orders.api_key == "key");
  auto folder = stage.line->orders.folder;
  CHECK(std::filesystem::status(folder).permissions() == std::filesystem::perms::owner_all);
  CHECK(stage.view(1).folder.empty());
  // Another one must wait.
  auto other = stage.ask<load_test_started>(start_load_test{{"--rate=6"}, ""});
  REQUIRE(bool(other));
  CHECK_FALSE(other->is_new);
  CHECK(other->test.number == 1);
  std::ofstream(folder / "report.json") << "{}";
  std::ofstream(folder / "report_stats.csv") << "a,b\n";
  std::ofstream(folder / "ledger.jsonl");  // nothing in it
  stage.line->with_lock([&] { stage.line->output = "{\"second\":0}\n{\"second\":1}\n"; });
  stage.wait_until([&] { return stage.view(1).test.num_lines == 2; });
  CHECK(stage.view(1, 1).lines == std::vector<std::string>{"{\"second\":1}"});
  // Its last words come with its end.
  stage.line->with_lock([&] { stage.line->output = "{\"second\":2}\n"; });
  stage.end_with(2);
  stage.wait_until([&] { return stage.view(1).test.is_over(); });
  auto over = stage.view(1);
  CHECK(over.test.num_lines == 3);
  CHECK(over.test.state == load_test_state::finished);
  CHECK(over.test.files == std::vector<std::string>{"report.json", "report.csv"});
  CHECK(over.folder == folder);
  CHECK(stage.line->num_alive == 0);
  REQUIRE(bool(stage.ask<load_test_started>(start_load_test{{"--rate=7"}, ""})));
  CHECK_FALSE(std::filesystem::exists(folder));
  CHECK(stage.ask<load_test_view>(ask_load_test{1, 0}).error().code == error_code::not_found);
  CHECK(stage.ask<load_test_list>(ask_load_tests{})->tests.size() == 1);
}

TEST_CASE("a stop interrupts at once and kills when nothing happens; who is gone owns nothing") {
  tester_stage stage({.patience = 200ms});
  REQUIRE(bool(stage.ask<load_test_started>(start_load_test{{"--rate=5"}, ""})));
  auto folder = stage.line->orders.folder;
  CHECK(stage.ask<load_test_view>(stop_load_test{2}).error().code == error_code::not_found);
  auto stopping = stage.ask<load_test_view>(stop_load_test{1});
  REQUIRE(bool(stopping));
  CHECK(stopping->test.state == load_test_state::stopping);
  CHECK(stage.line->num_interrupts == 1);
  CHECK(stage.line->num_kills == 0);
  stage.wait_until([&] { return stage.line->num_kills == 1; });
  CHECK(stage.line->num_interrupts == 1);
  CHECK(std::filesystem::exists(folder));
  stage.self->send_exit(stage.tests, caf::exit_reason::user_shutdown);
  stage.wait_until([&] { return stage.line->num_alive == 0 && !std::filesystem::exists(folder); });
}

TEST_CASE("without a process there is no test, and the next one may try again") {
  tester_stage stage;
  auto begun = stage.ask<load_test_started>(start_load_test{{}, ""});
  REQUIRE(!begun);
  CHECK(begun.error().message == "no process today");
  CHECK(stage.ask<load_test_list>(ask_load_tests{})->tests.empty());
  CHECK(stage.ask<load_test_started>(start_load_test{{"--rate=5"}, ""})->is_new);
}

TEST_CASE("a child has the files, the environment and the limits that it is given, and no more") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  auto child = launch_child({.program = "/bin/sh",
                             .words = {"sh", "-c", "echo $NAME $HOME $(ulimit -d); exec sleep 60"},
                             .variables = {"NAME=value"},
                             .files = {.output = ends[1]},
                             .max_data_bytes = 64U << 20});
  REQUIRE(bool(child));
  ::close(ends[1]);
  std::string said;
  for (char c = 0; c != '\n' && read(ends[0], &c, 1) == 1;) said += c;
  CHECK(said == "value 65536\n");
  auto pid = (*child)->pid();
  CHECK(!(*child)->find_status());
  CHECK(getpgid(pid) == pid);
  child->reset();
  CHECK(kill(pid, 0) != 0);
  ::close(ends[0]);
}

TEST_CASE("a child ends with the process that started it, however that ends") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  auto parent = fork();
  if (parent == 0) {
    // Of sleep nobody would notice that its reader is gone.
    auto child = launch_child({.program = "/bin/sh",
                               .words = {"sh", "-c", "echo up; exec sleep 600"},
                               .files = {.output = ends[1]}});
    ::close(ends[1]);
    pause();
    _exit(1);
  }
  ::close(ends[1]);
  std::string said(3, ' ');
  for (auto& c : said) REQUIRE(read(ends[0], &c, 1) == 1);
  CHECK(said == "up\n");
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  // The pipe ends when nobody has its other end any more.
  pollfd end{.fd = ends[0], .events = POLLIN, .revents = 0};
  CHECK(poll(&end, 1, 30'000) == 1);
  CHECK((end.revents & POLLHUP) != 0);
  ::close(ends[0]);
}
