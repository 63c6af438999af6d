#include "core/load_test_book.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

using steady_time = load_test_book::steady_time;

constexpr steady_time start_time{1h};

std::string second(int number) { return "{\"second\":" + std::to_string(number) + "}\n"; }

load_test_book running_book(load_test_bounds bounds = {}) {
  load_test_book book(bounds);
  book.start({"--rate=5"}, 1000, start_time);
  return book;
}

load_test_end ended_with(int status) {
  return {.exit_status = status, .words = "exit status " + std::to_string(status), .files = {}};
}

const load_test_end killed{.exit_status = std::nullopt, .words = "killed by signal X", .files = {}};

}  // namespace

TEST_CASE("a test that runs to its end has the verdict that its exit status says") {
  load_test_book idle;
  CHECK(idle.current() == nullptr);
  CHECK(idle.next_order(start_time) == load_test_order::nothing);
  for (auto [status, verdict] :
       {std::pair{0, "passed"}, {2, "slo missed"}, {4, "generator overloaded"}}) {
    auto book = running_book();
    REQUIRE(book.current() != nullptr);
    CHECK(book.current()->state == load_test_state::running);
    CHECK(verdict_of(*book.current()) == "");
    auto end = ended_with(status);
    end.files = {"report.json"};
    book.end(end, 1010);
    CHECK(book.current() == nullptr);
    auto& test = *book.find(1);
    CHECK(test.state == load_test_state::finished);
    CHECK(verdict_of(test) == verdict);
    CHECK(test.started_at == 1000);
    CHECK(test.ended_at == 1010);
    CHECK(test.files == end.files);
    CHECK(test.why == "");
  }
}

TEST_CASE("a test that fails says its last words, or how it ended") {
  auto book = running_book();
  book.read_errors("troupe: warning\ntroupe: nobody ans");
  book.read_errors("wers\n\n");
  book.end(ended_with(1), 1010);
  CHECK(book.find(1)->state == load_test_state::failed);
  CHECK(book.find(1)->why == "nobody answers");
  CHECK(book.find(1)->exit_status == 1);
  CHECK(verdict_of(*book.find(1)) == "");
  book.start({}, 1020, start_time);
  book.end(killed, 1030);
  CHECK(book.find(2)->why == "killed by signal X");
  CHECK(!book.find(2)->exit_status);
  book.start({}, 1040, start_time);
  book.read_errors("without an end of line");
  book.end(ended_with(127), 1050);
  CHECK(book.find(3)->why == "without an end of line");
}

TEST_CASE("a stop is an interrupt, and a kill when patience is over; each is said once") {
  auto book = running_book();
  CHECK(!book.stop(2));
  CHECK(book.next_order(start_time) == load_test_order::nothing);
  CHECK(book.stop(1));
  CHECK(book.current()->state == load_test_state::stopping);
  CHECK(book.next_order(start_time + 1s) == load_test_order::interrupt);
  CHECK(book.stop(1));
  CHECK(book.next_order(start_time + 5999ms) == load_test_order::nothing);
  CHECK(book.next_order(start_time + 6s) == load_test_order::kill);
  CHECK(book.next_order(start_time + 60s) == load_test_order::nothing);
  book.end(killed, 1010);
  CHECK(book.find(1)->state == load_test_state::failed);
  CHECK(book.find(1)->why == "did not stop in time and was killed");
  CHECK(book.find(1)->was_stopped);
  // What is over stays as it is.
  CHECK(book.stop(1));
  CHECK(book.find(1)->state == load_test_state::failed);
  CHECK(book.next_order(start_time + 61s) == load_test_order::nothing);
}

TEST_CASE("a stopped test may have a verdict, or may never have asked") {
  auto book = running_book();
  book.stop(1);
  CHECK(book.next_order(start_time) == load_test_order::interrupt);
  book.end(ended_with(0), 1001);
  CHECK(book.find(1)->state == load_test_state::finished);
  CHECK(book.find(1)->was_stopped);
  book.start({}, 1002, start_time);
  book.stop(2);
  CHECK(book.next_order(start_time) == load_test_order::interrupt);
  book.end(killed, 1003);
  CHECK(book.find(2)->why == "was stopped before its first request");
}

TEST_CASE("no test runs for longer than it may") {
  auto book = running_book({.max_time = 10s});
  CHECK(book.next_order(start_time + 9s) == load_test_order::nothing);
  CHECK(book.next_order(start_time + 10s) == load_test_order::interrupt);
  CHECK(book.current()->was_stopped);
}

TEST_CASE("progress is the lines of its seconds, in whatever pieces they come") {
  auto book = running_book({.max_lines = 3, .max_line_bytes = 40});
  auto text = second(0) + "no line of ours\n" + second(1) + "{\"second\":2";
  for (char c : text) book.read_output(std::string_view(&c, 1));
  CHECK(book.lines(1, 0) == std::vector<std::string>{"{\"second\":0}", "{\"second\":1}"});
  CHECK(book.lines(1, 1) == std::vector<std::string>{"{\"second\":1}"});
  CHECK(book.lines(1, 2).empty());
  CHECK(book.lines(1, ~0ULL).empty());
  CHECK(book.lines(7, 0).empty());
  // Too long, or cut off: no JSON, so nobody is told.
  book.read_output("}\n{\"second\":3,\"x\":\"" + std::string(40, 'x') + "\"}\n");
  book.read_output("{\"second\":4,\n" + second(5) + second(6));
  CHECK(book.find(1)->num_lines == 5);
  CHECK(book.lines(1, 0) ==
        std::vector<std::string>{"{\"second\":2}", "{\"second\":5}", "{\"second\":6}"});
  CHECK(book.lines(1, 4) == std::vector<std::string>{"{\"second\":6}"});
}

TEST_CASE("the last few are kept, newest first") {
  load_test_book book({.max_kept = 3});
  std::vector<std::uint64_t> forgotten;
  for (int i = 0; i < 5; ++i) {
    for (auto number : book.start({}, 1000 + i, start_time)) forgotten.push_back(number);
    book.read_output(second(i));
    book.end(ended_with(0), 2000 + i);
  }
  CHECK(forgotten == std::vector<std::uint64_t>{1, 2});
  REQUIRE(book.tests().size() == 3);
  CHECK(book.tests()[0].number == 5);
  CHECK(book.tests()[2].number == 3);
  CHECK(book.find(2) == nullptr);
  CHECK(book.lines(3, 0) == std::vector<std::string>{"{\"second\":2}"});
  CHECK(book.lines(5, 0) == std::vector<std::string>{"{\"second\":4}"});
  CHECK(!book.stop(2));
}
