#include "core/overload.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;
using enum overload_level;

TEST_CASE("a level begins above its mark and ends two per cent below it") {
  struct row {
    overload_level now;
    double percent;
    overload_level then;
  };
  const std::vector<row> table{
      {none, 0, none},
      {none, 85, none},
      {none, 85.1, closing},
      {none, 92, closing},
      {none, 92.1, refusing},
      {none, 95, refusing},
      {none, 95.1, pausing},
      {none, 250, pausing},
      {closing, 84, closing},
      {closing, 83.1, closing},
      {closing, 83, none},
      {closing, 92.1, refusing},
      {refusing, 90.1, refusing},
      {refusing, 90, closing},
      {refusing, 84, closing},
      {refusing, 83, none},
      {pausing, 93.1, pausing},
      {pausing, 93, refusing},
      {pausing, 91, refusing},
      {pausing, 90, closing},
      {pausing, 10, none},
  };
  for (auto& r : table) {
    CAPTURE(r.percent);
    CAPTURE(to_string(r.now));
    CHECK(to_string(judge_overload(r.now, r.percent / 100, {})) == to_string(r.then));
  }
}

TEST_CASE("a share that swings around a mark by less than the slack changes the level once") {
  auto level = none;
  int num_changes = 0;
  for (int i = 0; i < 100; ++i) {
    auto next = judge_overload(level, i % 2 ? 0.855 : 0.842, {});
    num_changes += next != level;
    level = next;
  }
  CHECK(num_changes == 1);
}

TEST_CASE("marks may be equal: then the later level stands for both") {
  CHECK(judge_overload(none, 0.81, {80, 80, 80}) == pausing);
  CHECK(judge_overload(none, 0.80, {80, 80, 80}) == none);
}

TEST_CASE("marks out of order are refused by the name of the flag to change") {
  CHECK(check_marks({}));
  CHECK(check_marks({1, 1, 100}));
  CHECK(check_marks({0, 92, 95}).error().field == "--overload-close-percent");
  CHECK(check_marks({93, 92, 95}).error().field == "--overload-refuse-percent");
  CHECK(check_marks({85, 96, 95}).error().field == "--overload-pause-percent");
  CHECK(check_marks({85, 92, 101}).error().field == "--overload-pause-percent");
}

TEST_CASE("memory that is planned counts before it is touched, what is measured beyond it, too") {
  memory_held held{.weights = 100,
                   .activations = 10,
                   .kv_pages = 200,
                   .bodies = 5,
                   .streams = 3,
                   .responses = 2,
                   .grammars = 1};
  CHECK(held.known() == 321);
  CHECK(held.all() == 321);
  held.measured = 150;  // the pages are not filled yet
  CHECK(held.other() == 0);
  CHECK(held.all() == 321);
  held.measured = 400;
  CHECK(held.other() == 79);
  CHECK(share_of_limit(held, 800) == doctest::Approx(0.5));
  CHECK(share_of_limit(held, 0) == 0);
}
