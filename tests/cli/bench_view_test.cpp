#include "cli/bench_view.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

using namespace troupe;

TEST_CASE("sparklines: the greatest value is the highest block") {
  CHECK(sparkline({}).empty());
  CHECK(sparkline({0, 0}) == "▁▁");
  CHECK(sparkline({0, 3.5, 7}) == "▁▅█");
}

TEST_CASE("a view draws over itself, within its width, and leaves nothing") {
  std::ostringstream out;
  bench_view view(out, "title", 20);
  load::second_point point;
  point.succeeded = 5;
  view.show(point, "10/s");
  auto first = out.str();
  auto num_lines = std::count(first.begin(), first.end(), '\n');
  CHECK(num_lines == 8);
  CHECK(first.find('\x1b') == std::string::npos);
  view.show(point, "10/s");
  auto second = out.str().substr(first.size());
  CHECK(second.starts_with("\x1b[8A\x1b[J"));
  std::istringstream lines(first);
  for (std::string line; std::getline(lines, line);) {
    auto columns = std::count_if(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    });
    CHECK(columns <= 20);
  }
  view.close();
  CHECK(out.str().ends_with("\x1b[8A\x1b[J"));
}
