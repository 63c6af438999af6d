#include "load/svg_chart.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace troupe::load;

namespace {

const double unknown = std::numeric_limits<double>::quiet_NaN();

chart some_chart() {
  chart one;
  one.id = "one";
  one.title = "Some <chart>";
  one.what = unit::seconds;
  one.x = {0, 1, 2, 3, 4};
  one.lines = {{"p99", "2 s", {0, 1, unknown, 2, unknown}}};
  return one;
}

std::string drawn(const chart& one) {
  std::string out;
  append_chart(out, one);
  return out;
}

bool has(const std::string& text, const std::string& what) { return text.find(what) != text.npos; }

}  // namespace

TEST_CASE("marks are round and reach the greatest value") {
  using marks = std::vector<double>;
  CHECK(round_marks(unit::count, 100) == marks{0, 25, 50, 75, 100});
  CHECK(round_marks(unit::count, 0) == marks{0, 1});
  CHECK(round_marks(unit::count, unknown) == marks{0, 1});
  for (double largest : {1e-6, 0.0371, 0.9, 1.0, 7.3, 99.0, 101.0, 12345.0, 1e12}) {
    auto found = round_marks(unit::seconds, largest);
    CHECK(found.size() >= 3);
    CHECK(found.size() <= 6);
    CHECK(found.back() >= largest * 0.999);
    CHECK(found[found.size() - 2] < largest);
  }
  CHECK(round_marks(unit::bytes, 600.0 * 1024 * 1024)[1] == 200.0 * 1024 * 1024);
}

TEST_CASE("marks of the time are round, whatever the span") {
  CHECK(time_marks(60) == std::vector<double>{0, 10, 20, 30, 40, 50, 60});
  CHECK(time_marks(3600)[1] == 600);
  for (double span : {1.0, 5.0, 61.0, 599.0, 7200.0, 86400.0, 1e6, 1e7}) {
    auto found = time_marks(span);
    CHECK(found.size() >= 2);
    CHECK(found.size() <= 7);
    CHECK(found.back() <= span * 1.0001);
  }
}

TEST_CASE("logarithmic marks stand around the values") {
  for (auto [least, most] :
       {std::pair{0.013, 4.2}, {1e-6, 1e3}, {0.1, 0.1005}, {0.2, 0.45}, {1.0, 10.0}}) {
    auto found = log_marks(least, most);
    REQUIRE(found.size() >= 2);
    CHECK(found.front() <= least * 1.001);
    CHECK(found.back() >= most * 0.999);
    for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i] > found[i - 1]);
  }
}

TEST_CASE("figures have three digits that count") {
  CHECK(unit_text(unit::seconds, 0.0123) == "12.3 ms");
  CHECK(unit_text(unit::seconds, 0.99996) == "1.00 s");
  CHECK(unit_text(unit::seconds, 0) == "0 s");
  CHECK(unit_text(unit::seconds, -1) == "–");
  CHECK(unit_text(unit::seconds, unknown) == "–");
  CHECK(unit_text(unit::count, 1234) == "1234");
  CHECK(unit_text(unit::count, 12345) == "12.3 k");
  CHECK(unit_text(unit::bytes, 1536) == "1.50 KiB");
  CHECK(unit_text(unit::share, 0.5) == "50 %");
  // Less than all must not look like all.
  CHECK(unit_text(unit::share, 0.99999) == "99.9990 %");
  CHECK(unit_text(unit::share, 1) == "100 %");
  CHECK(signed_text(unit::seconds, -0.5) == "−500 ms");
  CHECK(clock_text(3723) == "1:02:03");
}

TEST_CASE("values stand where their axis says") {
  auto one = some_chart();
  auto text = drawn(one);
  // The plot is 388 x 156 from (62, 18); 2 s is the upper border, 0 s the lower one.
  CHECK(has(text, "d=\"M62.0 174.0L159.0 96.0M353.0 18.0h.01\""));
  CHECK(has(text, "Some &lt;chart&gt;"));
  CHECK(!has(text, "Some <chart>"));
  CHECK(has(text, "p99: at most 2 s at 0:03."));
  one.limits = {{1.5, "e2e_p99<1.5s"}};
  CHECK(has(drawn(one), "M62 57.0H450"));
  one.limits = {{50, "far above"}};
  CHECK(!has(drawn(one), "far above"));
}

TEST_CASE("a chart of nothing is not drawn") {
  auto one = some_chart();
  one.lines[0].values.assign(5, unknown);
  CHECK(drawn(one).empty());
  one.x.clear();
  CHECK(drawn(one).empty());
}
