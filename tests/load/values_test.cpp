#include "load/values.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace troupe;
using namespace troupe::load;
using counts = std::vector<std::uint32_t>;

TEST_CASE("times") {
  CHECK(parse_seconds("250ms") == 0.25);
  CHECK(parse_seconds("1.5s") == 1.5);
  CHECK(parse_seconds("50us") == doctest::Approx(5e-5));
  CHECK(parse_seconds("2m") == 120);
  CHECK(parse_seconds("3") == 3);
  for (auto text : {"", "s", "-1s", "1 s", "1sec", "nan", "inf", "1e400"})
    CHECK(!parse_seconds(text));
}

TEST_CASE("times to think") {
  auto both = parse_think_time("1..3s");
  REQUIRE(both);
  CHECK(both->least == 1);
  CHECK(both->most == 3);
  CHECK(parse_think_time("500ms..2s")->least == 0.5);
  CHECK(parse_think_time("2s")->most == 2);
  for (auto text : {"3..1s", "..", "1..", "a..b", ""}) CHECK(!parse_think_time(text));
  keyed_random random(1);
  for (int i = 0; i < 1000; ++i) {
    auto drawn = both->draw(random);
    CHECK((drawn >= 1 && drawn <= 3));
  }
}

TEST_CASE("lengths have their mean and stay within their bounds") {
  auto mean_of = [](const char* text) {
    auto lengths = parse_lengths(text);
    REQUIRE(lengths);
    keyed_random random(7);
    double sum = 0;
    for (int i = 0; i < 20'000; ++i) sum += lengths->draw(random);
    return sum / 20'000;
  };
  CHECK(mean_of("128") == 128);
  CHECK(mean_of("64..256") == doctest::Approx(160).epsilon(0.01));
  CHECK(mean_of("normal:200:50") == doctest::Approx(200).epsilon(0.01));
  CHECK(mean_of("exponential:200") == doctest::Approx(200).epsilon(0.03));
  CHECK(mean_of("lognormal:200:0.5") == doctest::Approx(200 * std::exp(0.125)).epsilon(0.02));
  for (auto text : {"", "0", "5..4", "normal:1", "zipf:3", "normal:-5:1", "1e9", "1..2000000"})
    CHECK(!parse_lengths(text));
}

TEST_CASE("lists of counts") {
  CHECK(*parse_counts("1,2,4,..,64") == counts{1, 2, 4, 8, 16, 32, 64});
  CHECK(*parse_counts("10,20,..,50") == counts{10, 20, 40, 50});
  CHECK(*parse_counts("10,15,..,25") == counts{10, 15, 20, 25});
  CHECK(*parse_counts("5") == counts{5});
  for (auto text : {"", "..", "1,..", "1,..,4", "2,1", "0", "1,2,..,..,8", "1,,2", "a"})
    CHECK(!parse_counts(text));
}
