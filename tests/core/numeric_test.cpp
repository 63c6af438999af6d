#include "core/numeric.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace troupe;

TEST_CASE("every bfloat16 survives the way through float") {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const bfloat16 x{static_cast<std::uint16_t>(bits)};
    const float wide = to_float(x);
    if (std::isnan(wide)) {
      REQUIRE(to_bfloat16(wide).bits == (bits | 0x0040U));
    } else {
      REQUIRE(to_bfloat16(wide) == x);
    }
  }
}

TEST_CASE("rounding to bfloat16 takes the nearer neighbour and the even one of two") {
  for (std::uint32_t bits = 0; bits < 0x7F80; ++bits) {
    const double low = to_float(bfloat16{static_cast<std::uint16_t>(bits)});
    const bool last = bits == 0x7F7F;
    const double high =
        last ? 0x1p128
             : static_cast<double>(to_float(bfloat16{static_cast<std::uint16_t>(bits + 1)}));
    const auto middle = static_cast<float>((low + high) / 2);
    const std::uint16_t even = static_cast<std::uint16_t>(bits + (bits & 1U));
    REQUIRE(to_bfloat16(middle).bits == even);
    REQUIRE(to_bfloat16(std::nextafter(middle, 0.0F)).bits == bits);
    REQUIRE(to_bfloat16(std::nextafter(middle, INFINITY)).bits == bits + 1);
    REQUIRE(to_bfloat16(-middle).bits == (even | 0x8000U));
  }
}

TEST_CASE("infinities stay and NaN stays NaN") {
  CHECK(to_bfloat16(INFINITY).bits == 0x7F80);
  CHECK(to_bfloat16(-INFINITY).bits == 0xFF80);
  CHECK(to_bfloat16(std::numeric_limits<float>::max()).bits == 0x7F80);
  // The payload sits in the lower half alone: dropping it must not make an infinity.
  CHECK(to_bfloat16(std::bit_cast<float>(0x7F800001U)).bits == 0x7FC0);
}

TEST_CASE("rounding to float16 takes the nearer neighbour and the even one of two") {
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const double low = to_float(float16{static_cast<std::uint16_t>(bits)});
    const double high =
        bits == 0x7BFF
            ? 65536.0
            : static_cast<double>(to_float(float16{static_cast<std::uint16_t>(bits + 1)}));
    const auto middle = static_cast<float>((low + high) / 2);
    const std::uint32_t even = bits + bits % 2;
    REQUIRE(to_float16(static_cast<float>(low)).bits == bits);
    REQUIRE(to_float16(middle).bits == even);
    REQUIRE(to_float16(std::nextafter(middle, 0.0F)).bits == bits);
    REQUIRE(to_float16(std::nextafter(middle, INFINITY)).bits == bits + 1);
    REQUIRE(to_float16(-middle).bits == (even | 0x8000U));
  }
  CHECK(to_float16(1e-40F).bits == 0);
  CHECK(to_float16(-1e30F).bits == 0xFC00);
}

TEST_CASE("float16 widens to the value that its bits name") {
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10U);
    const double fraction = bits & 0x3FFU;
    const double value =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0 + fraction, exponent - 25);
    REQUIRE(static_cast<double>(to_float(float16{static_cast<std::uint16_t>(bits)})) == value);
    REQUIRE(static_cast<double>(to_float(float16{static_cast<std::uint16_t>(bits | 0x8000U)})) ==
            -value);
  }
  CHECK(to_float(float16{0x7C00}) == INFINITY);
  CHECK(to_float(float16{0xFC00}) == -INFINITY);
  CHECK(std::isnan(to_float(float16{0x7C01})));
  CHECK(std::signbit(to_float(float16{0x8000})));
}
