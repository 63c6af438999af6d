// Linear layers of int8 weights, against their formula in float64.
#include <doctest/doctest.h>

#include <random>

#include "cpu/reference.hpp"
#include "cuda/device_array.hpp"
#include "model/integer_groups.hpp"

namespace troupe::cuda {
namespace {

// A matrix of bytes, and what they mean.
struct byte_matrix {
  byte_matrix(std::uint32_t rows, std::uint32_t columns, unsigned seed)
      : out_features(rows), in_features(columns) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> byte(-127, 127);
    std::uniform_real_distribution<float> scale(1e-4F, 2e-3F);
    for (std::size_t i = 0; i < std::size_t{rows} * num_groups(columns); ++i) {
      scales.push_back(to_float16(scale(random)));
    }
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::uint32_t k = 0; k < columns; ++k) {
        const int value = k % 37 == 0 ? -127 : byte(random);
        bytes.push_back(static_cast<std::int8_t>(value));
        const float one = to_float(scales[row * num_groups(columns) + k / group_size]);
        floats.push_back(static_cast<float>(value) * one);
      }
    }
  }

  std::uint32_t out_features;
  std::uint32_t in_features;
  std::vector<std::int8_t> bytes;
  std::vector<float16> scales;
  std::vector<float> floats;  // exact: 7 and 11 digits
};

struct byte_case {
  std::uint32_t num_rows;
  bool has_bias = false;
  bool is_float32 = false;
};

// [num_rows, out_features]
std::vector<float> run_bytes(const byte_matrix& matrix, const byte_case& c,
                             const std::vector<float>& x, const std::vector<float>& bias) {
  device_array<bf16> x_memory(to_bf16(x));
  device_array<std::int8_t> weights(matrix.bytes);
  device_array<float16> scales(matrix.scales);
  device_array<float> bias_memory(bias);
  const std::size_t size = std::size_t{c.num_rows} * matrix.out_features;
  device_array<bf16> out(c.is_float32 ? 0 : size);
  device_array<float> out_float32(c.is_float32 ? size : 0);
  REQUIRE(is_fine(byte_linear({.x = x_memory.data(),
                               .weights = weights.data(),
                               .scales = scales.data(),
                               .bias = c.has_bias ? bias_memory.data() : nullptr,
                               .out = c.is_float32 ? nullptr : out.data(),
                               .out_float32 = c.is_float32 ? out_float32.data() : nullptr,
                               .num_rows = c.num_rows,
                               .in_features = matrix.in_features,
                               .out_features = matrix.out_features},
                              nullptr)));
  CHECK((out.is_whole() && out_float32.is_whole()));
  if (!c.is_float32) return to_floats(out.values());
  return {out_float32.values().begin(), out_float32.values().end()};
}

void check_bytes(const byte_matrix& matrix, const byte_case& c) {
  CAPTURE(c.num_rows);
  CAPTURE(matrix.in_features);
  CAPTURE(matrix.out_features);
  const auto x = random_rounded(std::size_t{c.num_rows} * matrix.in_features, c.num_rows);
  const auto bias = random_floats(matrix.out_features, 3);
  const auto got = run_bytes(matrix, c, x, bias);
  for (std::uint32_t row = 0; row < c.num_rows; ++row) {
    const auto expected = reference::linear(
        std::span(x).subspan(std::size_t{row} * matrix.in_features, matrix.in_features),
        matrix.floats, c.has_bias ? bias : std::vector<float>{});
    const auto line =
        std::span(got).subspan(std::size_t{row} * matrix.out_features, matrix.out_features);
    CHECK(distance(line, expected) <= (c.is_float32 ? 2e-5 : 4e-3));
  }
}

TEST_CASE("byte_linear is its formula") {
  const byte_matrix square(48, 896, 1);
  for (const std::uint32_t rows : {1U, 2U, 7U, 8U, 9U, 15U, 16U, 17U, 32U, 33U, 63U, 64U}) {
    check_bytes(square, {rows});
    check_bytes(square, {rows, true, true});
  }
  // Groups cut short, rows that fill no tile.
  check_bytes(byte_matrix(2, 16, 2), {3, true});
  check_bytes(byte_matrix(17, 144, 3), {11, true, true});
  check_bytes(byte_matrix(30, 704, 4), {8});
  check_bytes(byte_matrix(7, 2368, 5), {20, false, true});
  check_bytes(byte_matrix(16, 18944, 6), {1, false, true});
}

TEST_CASE("A row of byte_linear does not depend on the rows beside it") {
  const byte_matrix matrix(40, 608, 1);
  const auto x = random_rounded(64 * 608, 2);
  const auto together = run_bytes(matrix, {64, false, true}, x, {});
  for (const std::uint32_t count : {1U, 8U, 12U, 24U}) {
    const std::vector<float> some(x.begin() + 608, x.begin() + 608 + count * 608);
    const auto alone = run_bytes(matrix, {count, false, true}, some, {});
    CHECK(std::equal(alone.begin(), alone.end(), together.begin() + 40));
  }
}

TEST_CASE("expand_weights rounds what byte_linear multiplies with") {
  for (const std::uint32_t columns : {16U, 144U, 896U, 4864U, 18944U}) {
    const byte_matrix matrix(5, columns, columns);
    device_array<std::int8_t> weights(matrix.bytes);
    device_array<float16> scales(matrix.scales);
    device_array<bf16> out(matrix.floats.size());
    REQUIRE(
        is_fine(expand_weights({weights.data(), scales.data(), out.data(), 5, columns}, nullptr)));
    CHECK(out.is_whole());
    CHECK(to_floats(out.values()) == to_floats(to_bf16(matrix.floats)));
  }
}

TEST_CASE("embed rounds rows of bytes") {
  for (const std::uint32_t width : {16U, 144U, 896U, 3584U}) {
    const byte_matrix table(9, width, width);
    device_array<std::int8_t> bytes(table.bytes);
    device_array<float16> scales(table.scales);
    device_array<std::int32_t> tokens(std::vector<std::int32_t>{8, 0, 3, 9});
    device_array<std::uint32_t> slots(std::vector<std::uint32_t>(4));
    device_array<std::int32_t> next(std::vector<std::int32_t>{0});
    device_array<device_fault> fault(std::vector<device_fault>{device_fault::none});
    device_array<bf16> out(4 * width);
    REQUIRE(is_fine(embed({.bytes = bytes.data(),
                           .scales = scales.data(),
                           .tokens = tokens.data(),
                           .slots = slots.data(),
                           .next_tokens = next.data(),
                           .out = out.data(),
                           .fault = fault.data(),
                           .num_rows = 4,
                           .width = width,
                           .vocab_size = 9},
                          nullptr)));
    CHECK(out.is_whole());
    CHECK((fault[0] == device_fault::unknown_token));
    const auto rounded = to_floats(to_bf16(table.floats));
    const auto got = to_floats(out.values());
    for (const auto& [row, token] : {std::pair{0U, 8U}, std::pair{1U, 0U}, std::pair{2U, 3U}}) {
      CHECK(std::equal(got.begin() + row * width, got.begin() + (row + 1) * width,
                       rounded.begin() + token * width));
    }
    for (std::uint32_t i = 0; i < width; ++i) CHECK(got[3 * width + i] == 0.0F);
  }
}

TEST_CASE("Kernels of bytes refuse what they cannot do") {
  device_array<bf16> memory(64);
  byte_linear_args args{.x = memory.data(),
                        .out = memory.data(),
                        .num_rows = 65,
                        .in_features = 16,
                        .out_features = 2};
  CHECK(byte_linear(args, nullptr) == launch_error::invalid_value);
  args.num_rows = 1;
  args.in_features = 24;
  CHECK(byte_linear(args, nullptr) == launch_error::invalid_value);
  args.in_features = 16;
  args.out = nullptr;
  CHECK(byte_linear(args, nullptr) == launch_error::invalid_value);
  CHECK(expand_weights({nullptr, nullptr, memory.data(), 1, 8}, nullptr) ==
        launch_error::invalid_value);
  CHECK(embed({.num_rows = 1, .width = 8}, nullptr) == launch_error::invalid_value);
}

}  // namespace
}  // namespace troupe::cuda
