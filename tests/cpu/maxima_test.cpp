// What the LM head leaves beside its logits: the maxima of its tiles, whatever the rows, the
// threads and the target are.
#include "cpu/kernels.hpp"
#include "each_target.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

using namespace troupe;
using namespace troupe::testing;

namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> out(count);
  for (float& x : out) x = normal(random);
  return out;
}

// Rows of x of which one is NaN and one gives infinities; of a matrix of `type`.
struct head_case {
  head_case(std::uint32_t rows, std::uint32_t in, std::uint32_t out, dtype type)
      : num_rows(rows),
        stride(kernels::operand_stride(in, type)),
        weights(random_floats(std::size_t{out} * in, out)) {
    auto x = random_floats(std::size_t{rows} * in, rows + in);
    if (rows > 2) std::fill_n(x.begin() + in, in, std::numeric_limits<float>::quiet_NaN());
    if (rows > 3) x[std::size_t{2} * in] = std::numeric_limits<float>::infinity();
    operand.resize(rows * stride);
    for (std::uint32_t r = 0; r < rows; ++r) {
      kernels::make_operand(&x[std::size_t{r} * in], in, type, &operand[r * stride]);
    }
    thread_pool pool({1, 0});
    const linear_slice slice(
        {{out, 0, host_tensor{dtype::float32, {out, in}, std::as_bytes(std::span(weights))},
          std::nullopt}},
        {{in, 0}});
    matrix.emplace(slice, weight_type_of(type), pool);
  }

  kernels::linear_args args(float* out) const {
    return {operand.data(), stride, num_rows, &*matrix, nullptr, out, matrix->out_features()};
  }

  std::uint32_t num_rows;
  std::size_t stride;
  std::vector<float> weights;
  std::vector<std::uint32_t> operand;
  std::optional<packed_matrix> matrix;
};

void check_maxima(const head_case& head, std::uint32_t num_features, std::uint32_t num_threads) {
  const std::uint32_t width = head.matrix->out_features();
  const std::size_t stride = kernels::maxima_stride(width);
  CAPTURE(head.num_rows);
  CAPTURE(num_features);
  CAPTURE(num_threads);
  thread_pool pool({num_threads, 0});
  aligned_buffer<float> expected(std::size_t{head.num_rows} * width);
  kernels::linear(head.args(expected.data()), pool);
  aligned_buffer<float> logits(expected.size());
  aligned_buffer<float> maxima(head.num_rows * stride);
  kernels::linear_args args = head.args(logits.data());
  args.maxima = {maxima.data(), num_features};
  args.is_streamed = width % tile_width == 0;
  kernels::linear(args, pool);
  CHECK(std::memcmp(logits.data(), expected.data(), expected.size() * sizeof(float)) == 0);
  for (std::uint32_t row = 0; row < head.num_rows; ++row) {
    for (std::uint32_t tile = 0; tile < head.matrix->num_tiles(); ++tile) {
      float highest = -std::numeric_limits<float>::infinity();
      for (std::uint32_t i = tile * tile_width; i < std::min((tile + 1) * tile_width, num_features);
           ++i) {
        const float x = expected.data()[std::size_t{row} * width + i];
        if (x > highest) highest = x;
      }
      REQUIRE(maxima.data()[row * stride + tile] == highest);
    }
  }
}

}  // namespace

TEST_CASE(
    "the maxima of tiles are those of their outputs on every target, and streams write the same") {
  const auto check_all = [] {
    for (const dtype type : {dtype::float32, dtype::bfloat16}) {
      for (const std::uint32_t rows : {1U, 2U, 5U, 8U, 13U, 25U}) {
        check_maxima(head_case(rows, 40, 331, type), 331, 1);
        const head_case aligned(rows, 40, 1056, type);
        for (const std::uint32_t features : {1056U, 1024U, 1000U, 31U}) {
          check_maxima(aligned, features, 2);
        }
      }
    }
  };
  on_each_target(check_all);
}
