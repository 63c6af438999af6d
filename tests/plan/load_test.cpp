#include "plan/load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace troupe;
using namespace troupe::planning;

TEST_CASE("lengths are read in three forms and told as they were written") {
  for (const char* text : {"1", "512", "1048576", "100..900", "7..7", "lognormal:300:0.8"}) {
    auto range = parse_lengths(text);
    REQUIRE_MESSAGE(range, text);
    CHECK(to_text(*range) == text);
  }
  CHECK(parse_lengths("lognormal:300:0.8")->last == 4800);
}

TEST_CASE("lengths that are none are refused with the text that was given") {
  for (const char* text : {"", "0", "-1", "1.5", "x", "5..", "..5", "9..8", "1048577", "1..1048577",
                           "lognormal:", "lognormal:3", "lognormal:0:1", "lognormal:3:0",
                           "lognormal:3:nan", "lognormal:3:3.1", "12 "}) {
    auto range = parse_lengths(text);
    REQUIRE_FALSE_MESSAGE(range, text);
    CHECK(range.error().message.ends_with(std::string(": ") + text));
  }
}

TEST_CASE("drawn lengths stay in their range and have its mean") {
  for (const char* text : {"512", "100..900", "lognormal:300:0.5"}) {
    const auto range = *parse_lengths(text);
    double sum = 0;
    constexpr int count = 20'000;
    for (int i = 0; i < count; ++i) {
      const auto length = range.draw(3, i);
      REQUIRE(length >= (range.what == length_range::kind::lognormal ? 1 : range.first));
      REQUIRE(length <= range.last);
      sum += length;
    }
    CHECK(sum / count == doctest::Approx(range.mean()).epsilon(0.02));
  }
}

TEST_CASE("prompts share the prefix that they are to share, and nothing else") {
  const load_shape load{
      .input = {.first = 64, .last = 64}, .shared_prefix_tokens = 32, .vocab_size = 50'000};
  const auto a = draw_request(load, 0), b = draw_request(load, 1);
  REQUIRE(a.prompt.size() == 64);
  CHECK(std::equal(a.prompt.begin(), a.prompt.begin() + 32, b.prompt.begin()));
  CHECK_FALSE(std::equal(a.prompt.begin() + 32, a.prompt.end(), b.prompt.begin() + 32));
  CHECK(draw_request(load, 1).prompt == b.prompt);
  CHECK(std::ranges::all_of(a.prompt, [](token_id t) { return t >= 0 && t < 50'000; }));
}

TEST_CASE("pauses have the mean of the rate and are those of a Poisson process") {
  const load_shape load;
  double sum = 0;
  int num_long = 0;
  constexpr int count = 20'000;
  for (int i = 0; i < count; ++i) {
    const double pause = draw_pause(load, 4, i);
    sum += pause;
    num_long += pause > 0.5 ? 1 : 0;
  }
  CHECK(sum / count == doctest::Approx(0.25).epsilon(0.03));
  // exp(-4 * 0.5) of them are longer than half a second.
  CHECK(static_cast<double>(num_long) / count == doctest::Approx(std::exp(-2)).epsilon(0.05));
}
