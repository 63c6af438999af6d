// Linear layers of few rows, against their formula in float64.
#include <doctest/doctest.h>

#include "cpu/reference.hpp"
#include "cuda/device_array.hpp"

namespace troupe::cuda {
namespace {

struct linear_case {
  std::uint32_t num_rows;
  std::uint32_t in_features;
  std::uint32_t out_features;
  bool has_bias = false;
  bool has_addend = false;
  bool is_float32 = false;
};

// All outputs as floats, [num_rows, out_features].
std::vector<float> run_linear(const linear_case& c, const std::vector<float>& x,
                              const std::vector<float>& weights, const std::vector<float>& bias,
                              const std::vector<float>& addend) {
  device_array<bf16> x_memory(to_bf16(x));
  device_array<bf16> weights_memory(to_bf16(weights));
  device_array<float> bias_memory(bias);
  // The usual addend is what the result replaces.
  device_array<bf16> out(to_bf16(addend));
  device_array<float> out_float32(addend.size());
  skinny_linear_args args;
  args.x = x_memory.data();
  args.weights = weights_memory.data();
  args.bias = c.has_bias ? bias_memory.data() : nullptr;
  args.addend = c.has_addend ? out.data() : nullptr;
  if (c.is_float32) {
    args.out_float32 = out_float32.data();
  } else {
    args.out = out.data();
  }
  args.num_rows = c.num_rows;
  args.in_features = c.in_features;
  args.out_features = c.out_features;
  REQUIRE(is_fine(skinny_linear(args, nullptr)));
  CHECK((out.is_whole() && out_float32.is_whole()));
  if (!c.is_float32) return to_floats(out.values());
  return {out_float32.values().begin(), out_float32.values().end()};
}

void check_linear(const linear_case& c) {
  CAPTURE(c.num_rows);
  CAPTURE(c.in_features);
  CAPTURE(c.out_features);
  const auto x = random_rounded(std::size_t{c.num_rows} * c.in_features, c.in_features);
  const auto weights =
      random_rounded(std::size_t{c.out_features} * c.in_features, c.out_features, 0.05F);
  const auto bias = random_floats(c.out_features, 3);
  const auto addend = random_rounded(std::size_t{c.num_rows} * c.out_features, 4);
  const auto got = run_linear(c, x, weights, bias, addend);
  for (std::uint32_t row = 0; row < c.num_rows; ++row) {
    auto expected = reference::linear(std::span(x).subspan(row * c.in_features, c.in_features),
                                      weights, c.has_bias ? bias : std::vector<float>{});
    const std::size_t first = std::size_t{row} * c.out_features;
    for (std::uint32_t n = 0; c.has_addend && n < c.out_features; ++n) {
      expected[n] += double{addend[first + n]};
    }
    const auto line = std::span(got).subspan(first, c.out_features);
    CHECK(distance(line, expected) <= (c.is_float32 ? 2e-5 : 4e-3));
  }
}

TEST_CASE("skinny_linear is its formula") {
  for (std::uint32_t rows = 1; rows <= max_skinny_rows; ++rows) check_linear({rows, 896, 48});
  check_linear({1, 8, 2});
  check_linear({3, 40, 18, true});
  check_linear({7, 608, 34, true, true});
  check_linear({8, 1024, 16, false, true});
  check_linear({5, 2368, 30, true, false, true});
  check_linear({2, 4864, 20, false, true, true});
  check_linear({1, 18944, 16});
}

TEST_CASE("A row of skinny_linear does not depend on the rows beside it") {
  const auto x = random_rounded(8 * 608, 1);
  const auto weights = random_rounded(40 * 608, 2, 0.05F);
  const std::vector<float> addend(8 * 40);
  const auto together = run_linear({8, 608, 40}, x, weights, {}, addend);
  for (std::uint32_t row = 0; row < 8; ++row) {
    const std::vector<float> one(x.begin() + row * 608, x.begin() + (row + 1) * 608);
    const auto alone = run_linear({1, 608, 40}, one, weights, {}, std::vector<float>(40));
    CHECK(std::equal(alone.begin(), alone.end(), together.begin() + row * 40));
  }
}

TEST_CASE("skinny_linear refuses what it cannot do") {
  device_array<bf16> memory(64);
  skinny_linear_args args{
      memory.data(), memory.data(), nullptr, nullptr, memory.data(), nullptr, 9, 8, 2};
  CHECK(skinny_linear(args, nullptr) == launch_error::invalid_value);
  args.num_rows = 1;
  args.in_features = 9;
  CHECK(skinny_linear(args, nullptr) == launch_error::invalid_value);
  args.in_features = 8;
  args.out = nullptr;
  CHECK(skinny_linear(args, nullptr) == launch_error::invalid_value);
}

}  // namespace
}  // namespace troupe::cuda
