// The load tests of a server's page, as plain values: at most one runs, the last few are kept. Says
// what may happen next; whoever owns the process acts. Time comes in from outside.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

enum class load_test_state : std::uint8_t {
  running,
  stopping,  // was asked to end, and has not
  finished,  // has a verdict
  failed,    // has none
};
std::string_view to_string(load_test_state state);

struct load_test_record {
  std::uint64_t number = 0;  // 1, 2, ...; 0: there is none
  load_test_state state = load_test_state::running;
  std::vector<std::string> arguments;         // flags of `troupe bench`
  std::int64_t started_at = 0, ended_at = 0;  // Unix time, seconds; 0: not yet
  bool was_stopped = false;                   // before its own end
  std::optional<int> exit_status;             // none: it runs, or a signal ended it
  std::string why;                            // of `failed`: one sentence
  std::uint64_t num_lines = 0;                // of progress so far, with those that are gone
  std::vector<std::string> files;             // that it left, by the names of load_test_files

  bool is_over() const { return ended_at != 0; }
};

// What `troupe bench` says by its exit status: "passed", "slo missed", "generator overloaded";
// empty: it said nothing.
std::string_view verdict_of(const load_test_record& test);

struct load_test_bounds {
  std::size_t max_kept = 8;  // tests, with the one that runs
  std::size_t max_lines = 3600;
  std::size_t max_line_bytes = 8192;
  std::chrono::milliseconds max_time{2 * 3'600'000};  // then it is stopped
  std::chrono::milliseconds patience{5'000};          // from the wish to the end of the process
};

// How a process ended.
struct load_test_end {
  std::optional<int> exit_status;  // none: by a signal
  std::string words;               // "exit status 1", "killed by signal Killed"
  std::vector<std::string> files;  // that it left
};

enum class load_test_order : std::uint8_t { nothing, interrupt, kill };

class load_test_book {
 public:
  using steady_time = std::chrono::steady_clock::time_point;

  explicit load_test_book(load_test_bounds bounds = {}) : bounds_(bounds) {}

  // Newest first.
  const std::deque<load_test_record>& tests() const { return tests_; }
  // Null: no such test, or it is forgotten.
  const load_test_record* find(std::uint64_t number) const;
  // The one that runs or stops; null: none.
  const load_test_record* current() const;
  // Progress of the newest test or an older one that is kept, from its line `first` on; lines that
  // are gone are left out. Each is an object of JSON without an end of line.
  std::vector<std::string> lines(std::uint64_t number, std::uint64_t first) const;

  // Nobody may run. The numbers of tests that are forgotten for it.
  std::vector<std::uint64_t> start(std::vector<std::string> arguments, std::int64_t unix_time,
                                   steady_time now);
  // Of the test that runs: what its process has written, in pieces of any size.
  void read_output(std::string_view bytes);
  void read_errors(std::string_view bytes);
  // False: there is no such test. One that is over stays as it is.
  bool stop(std::uint64_t number);
  // What its process must be told now; each thing is said once.
  load_test_order next_order(steady_time now);
  // Its process has ended, and all that it wrote was read.
  void end(const load_test_end& how, std::int64_t unix_time);

 private:
  void take_line(std::string_view line);

  load_test_bounds bounds_;
  std::deque<load_test_record> tests_;          // newest first
  std::deque<std::deque<std::string>> output_;  // [tests_]
  std::uint64_t num_tests_ = 0;
  std::string begun_, begun_error_;  // lines without their end
  bool is_too_long_ = false;         // the line that has begun
  std::string last_error_;
  steady_time begin_{}, deadline_{};
  bool was_interrupted_ = false, was_killed_ = false;
};

}  // namespace troupe
