#include "core/scaling_schedule.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

using namespace troupe;

namespace {

constexpr std::uint32_t at(std::uint32_t day, std::uint32_t hour, std::uint32_t minute = 0) {
  return day * minutes_per_day + hour * 60 + minute;
}

scaling_window parse(std::string_view text) {
  auto window = parse_scaling_window(text);
  REQUIRE_MESSAGE(window, text);
  return *window;
}

}  // namespace

TEST_CASE("days, times, numbers") {
  auto work = parse("Mon-Fri 08:00-20:00=2..5");
  CHECK(work.days == 0b0011111);
  CHECK(work.from_minute == 480);
  CHECK(work.to_minute == 1200);
  CHECK(work.bounds == replica_bounds{2, 5});
  CHECK(parse("Sat,Sun 00:00-24:00=1..2").days == 0b1100000);
  CHECK(parse("Sat,Sun 00:00-24:00=1..2").to_minute == 1440);
  CHECK(parse("Wed 09:30-09:31=3..3").days == 0b0000100);
  CHECK(parse("Mon,Wed-Fri 01:00-02:00=1..1024").days == 0b0011101);
  CHECK(parse("Fri-Mon 01:00-02:00=1..2").days == 0b1110001);
  CHECK(parse("Mon-Sun 01:00-02:00=1..2").days == 0b1111111);
}

TEST_CASE("a window holds from its first minute to the one before its last") {
  auto window = parse("Tue,Sun 08:00-24:00=2..5");
  CHECK_FALSE(window.contains(at(1, 7, 59)));
  CHECK(window.contains(at(1, 8)));
  CHECK(window.contains(at(1, 23, 59)));
  CHECK_FALSE(window.contains(at(2, 0)));
  CHECK_FALSE(window.contains(at(0, 12)));
  CHECK(window.contains(at(6, 23, 59)));
  CHECK_FALSE(window.contains(minutes_per_week));
  CHECK(window.contains(minutes_per_week + at(1, 8)));
}

TEST_CASE("the first window that contains the minute decides") {
  const std::vector schedule{parse("Wed 12:00-13:00=4..8"), parse("Mon-Fri 08:00-20:00=2..5")};
  const replica_bounds otherwise{1, 3};
  CHECK(bounds_at(schedule, at(2, 12), otherwise) == replica_bounds{4, 8});
  CHECK(bounds_at(schedule, at(2, 13), otherwise) == replica_bounds{2, 5});
  CHECK(bounds_at(schedule, at(5, 12), otherwise) == otherwise);
  CHECK(bounds_at({}, at(2, 12), otherwise) == otherwise);
}

TEST_CASE("every refusal names what is wrong") {
  const std::array cases{
      std::pair{"", "there is no \"=\""},
      std::pair{"Mon-Fri 08:00-20:00", "there is no \"=\""},
      std::pair{"08:00-20:00=2..5", "there is no space"},
      std::pair{"Mon 08:00=2..5", "\"08:00\" has no \"-\""},
      std::pair{"Mo 08:00-20:00=2..5", "\"Mo\" is no day"},
      std::pair{"mon 08:00-20:00=2..5", "\"mon\" is no day"},
      std::pair{"Mon, 08:00-20:00=2..5", "\"\" is no day"},
      std::pair{"Mon-Tue-Wed 08:00-20:00=2..5", "\"Tue-Wed\" is no day"},
      std::pair{"Mon 8:00-20:00=2..5", "\"8:00\" is no time"},
      std::pair{"Mon 08:60-20:00=2..5", "\"08:60\" is no time"},
      std::pair{"Mon 08:00-24:01=2..5", "\"24:01\" is no time"},
      std::pair{"Mon 08:00-2-:00=2..5", "\"2-:00\" is no time"},
      std::pair{"Mon  08:00-20:00=2..5", "\" 08:00\" is no time"},
      std::pair{"Mon 22:00-06:00=2..5", "\"22:00\" is not before \"06:00\" (a night is two"},
      std::pair{"Mon 08:00-08:00=2..5", "is not before"},
      std::pair{"Mon 08:00-20:00=2", "\"2\" has no \"..\""},
      std::pair{"Mon 08:00-20:00=2...5", "\".5\" is no number of replicas from 1 to 1024"},
      std::pair{"Mon 08:00-20:00=0..5", "\"0\" is no number of replicas"},
      std::pair{"Mon 08:00-20:00=1..1025", "\"1025\" is no number of replicas"},
      std::pair{"Mon 08:00-20:00=-1..5", "\"-1\" is no number of replicas"},
      std::pair{"Mon 08:00-20:00=1..99999999999999999999", "is no number of replicas"},
      std::pair{"Mon 08:00-20:00=5..2", "at least 5 is more than at most 2"},
      std::pair{"Mon 08:00-20:00=2..5 ", "\"5 \" is no number of replicas"},
  };
  for (const auto& [text, why] : cases) {
    CAPTURE(text);
    auto refused = parse_scaling_window(text);
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().message);
    CHECK(refused.error().message.find(why) != std::string::npos);
    CHECK(refused.error().code == error_code::invalid_argument);
    CHECK(refused.error().field == "schedule");
  }
}
