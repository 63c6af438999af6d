// Formula and fast form agree over odd shapes, and every SIMD target gives the same bits.
#include "cpu/kernels.hpp"
#include "cpu/kv_pages.hpp"
#include "cpu/pair_instruction.hpp"
#include "cpu/reference.hpp"
#include "cpu/weight_rounding.hpp"
#include "each_target.hpp"

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

using namespace troupe;
using troupe::testing::on_each_target;

namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed, float scale = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> out(count);
  for (float& x : out) x = normal(random);
  return out;
}

std::vector<float> rounded(std::vector<float> values) {
  for (float& x : values) x = to_float(to_bfloat16(x));
  return values;
}

// Rows of `width` floats as operands.
std::vector<std::uint32_t> operands(const std::vector<float>& values, std::uint32_t width,
                                    dtype type) {
  const std::size_t stride = kernels::operand_stride(width, type);
  const std::size_t rows = values.size() / width;
  std::vector<std::uint32_t> out(rows * stride);
  for (std::size_t r = 0; r < rows; ++r) {
    kernels::make_operand(&values[r * width], width, type, &out[r * stride]);
  }
  return out;
}

// An operand's elements.
std::vector<float> elements(const std::vector<std::uint32_t>& words, std::uint32_t width,
                            dtype type) {
  std::vector<float> out(width);
  for (std::uint32_t i = 0; i < width; ++i) {
    out[i] = type == dtype::float32 ? std::bit_cast<float>(words[i])
                                    : std::bit_cast<float>(i % 2 == 0 ? words[i / 2] << 16U
                                                                      : words[i / 2] & 0xFFFF0000U);
  }
  return out;
}

// Runs `compute` on every target; the ones with fused multiply-add must agree.
void on_every_target(const std::function<std::vector<float>()>& compute,
                     const std::vector<double>& expected, double tolerance) {
  std::vector<float> widest;
  on_each_target([&] {
    const std::vector<float> out = compute();
    REQUIRE(out.size() == expected.size());
    double largest = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const double distance = std::fabs(out[i] - expected[i]);
      if (!(distance <= largest)) largest = distance;
    }
    CHECK(largest <= tolerance);
    if (hwy::SupportedTargets() == HWY_STATIC_TARGET) return;
    if (widest.empty()) widest = out;
    CHECK(std::memcmp(out.data(), widest.data(), out.size() * sizeof(float)) == 0);
  });
}

host_tensor view(const std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
  return {dtype::float32, {rows, cols}, std::as_bytes(std::span(values))};
}

void check_linear(std::uint32_t rows, std::uint32_t in, std::uint32_t out, dtype type) {
  CAPTURE(rows);
  CAPTURE(in);
  CAPTURE(out);
  auto x = random_floats(std::size_t{rows} * in, rows + in);
  auto w = random_floats(std::size_t{out} * in, out, 0.1F);
  if (type == dtype::bfloat16) {
    x = rounded(x);
    w = rounded(w);
  }
  const auto operand = operands(x, in, type);
  const std::size_t stride = kernels::operand_stride(in, type);
  const auto bias = random_floats(out, 3);
  thread_pool pool({1, 0});
  const linear_slice slice({{out, 0, view(w, out, in), std::nullopt}}, {{in, 0}});
  const packed_matrix matrix(slice, weight_type_of(type), pool);
  std::vector<double> expected;
  for (std::uint32_t r = 0; r < rows; ++r) {
    const auto row = reference::linear(std::span(x).subspan(std::size_t{r} * in, in), w, bias);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  on_every_target(
      [&] {
        std::vector<float> result(expected.size());
        kernels::linear({operand.data(), stride, rows, &matrix, bias.data(), result.data(), out}, 0,
                        rows, 0, matrix.num_tiles());
        return result;
      },
      expected, 2e-6 * std::sqrt(static_cast<double>(in)) + 2e-6);
}

}  // namespace

TEST_CASE("linear agrees with its formula") {
  for (dtype type : {dtype::float32, dtype::bfloat16}) {
    for (std::uint32_t rows : {1U, 2U, 3U, 5U, 7U, 8U, 9U, 17U, 31U}) {
      check_linear(rows, 37, 50, type);
    }
    check_linear(1, 1, 1, type);
    check_linear(2, 2, 16, type);
    check_linear(9, 896, 129, type);
    check_linear(4, 333, 17, type);
  }
}

TEST_CASE("subnormal bfloat16 products are zeros on every target") {
  // Sums of 64 products below 2^-126, and one row of subnormal inputs.
  auto x = rounded(random_floats(3 * 64, 1, 1e-20F));
  std::fill(x.begin() + 128, x.end(), 1e-40F);
  const auto w = rounded(random_floats(32 * 64, 2, 1e-20F));
  const auto operand = operands(x, 64, dtype::bfloat16);
  const std::size_t stride = kernels::operand_stride(64, dtype::bfloat16);
  thread_pool pool({1, 0});
  const linear_slice slice({{32, 0, view(w, 32, 64), std::nullopt}}, {{64, 0}});
  const packed_matrix matrix(slice, weight_type::bfloat16, pool);
  on_every_target(
      [&] {
        std::vector<float> result(3 * 32);
        kernels::linear({operand.data(), stride, 3, &matrix, nullptr, result.data(), 32}, 0, 3, 0,
                        1);
        return result;
      },
      std::vector<double>(3 * 32), 1e-37);
}

namespace {

// Two tensors' rows, of which the second continues the first, as one layer.
void check_integer_layer(std::uint32_t rows, std::uint32_t in, weight_type type) {
  CAPTURE(in);
  CAPTURE(rows);
  constexpr std::uint32_t out = 50;
  const auto x = random_floats(std::size_t{rows} * in, rows + in, 3.0F);
  auto w = random_floats(std::size_t{out} * in, out, 0.1F);
  for (std::uint32_t i = 0; i < in; ++i) w[i] += 0.3F;  // a zero point at the edge
  const auto bias = random_floats(out, 3);
  thread_pool pool({1, 0});
  const linear_slice slice({{out, 0, view(w, out, in), std::nullopt}}, {{in, 0}});
  const packed_matrix matrix(slice, type, pool);
  for (std::uint32_t n = 0; n < out; ++n) matrix.copy_row(n, &w[std::size_t{n} * in]);
  const std::size_t stride = kernels::quantized_stride(in);
  std::vector<double> expected;
  for (std::uint32_t r = 0; r < rows; ++r) {
    const auto row = reference::linear(std::span(x).subspan(std::size_t{r} * in, in), w, bias);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  on_every_target(
      [&] {
        std::vector<std::uint32_t> operand(rows * stride);
        for (std::uint32_t r = 0; r < rows; ++r) {
          kernels::quantize_operand(&x[std::size_t{r} * in], in, &operand[r * stride]);
        }
        std::vector<float> result(expected.size());
        kernels::linear({operand.data(), stride, rows, &matrix, bias.data(), result.data(), out}, 0,
                        rows, 0, matrix.num_tiles());
        return result;
      },
      // An activation is off by 0.012 at most, 0.007 on average; times a weight of 0.1, and for the
      // first output of 0.3: the worst of 650 sums, with room.
      expected, 0.015 * std::sqrt(static_cast<double>(in)) + 0.03);
}

}  // namespace

TEST_CASE("layers of integers are as near to the formula as their inputs' eight bits") {
  for (const weight_type type : {weight_type::int8, weight_type::int4}) {
    CAPTURE(type);
    for (const std::uint32_t in : {1U, 37U, 128U, 129U, 300U, 896U}) {
      for (const std::uint32_t rows : {1U, 2U, 3U, 8U, 13U}) check_integer_layer(rows, in, type);
    }
  }
}

TEST_CASE("sums of the largest integers and of the smallest scales are exact on every target") {
  // Inputs of 127 steps of 1 and weights of 15 steps at a zero point of 0: 128 * 127 * 15 steps.
  // The smallest scale that a float16 has is 2^-24.
  std::vector<float> w(std::size_t{32} * 128, 15 * 0x1p-24F);
  const std::vector<float> x(128, 127.0F);
  thread_pool pool({1, 0});
  const linear_slice slice({{32, 0, view(w, 32, 128), std::nullopt}}, {{128, 0}});
  for (const weight_type type : {weight_type::int8, weight_type::int4}) {
    const packed_matrix matrix(slice, type, pool);
    std::vector<float> row(128);
    matrix.copy_row(5, row.data());
    const double sum = 128.0 * 127 * row[0];
    CHECK(sum == (type == weight_type::int4 ? 128.0 * 127 * 15 * 0x1p-24 : 0.0));
    on_every_target(
        [&] {
          std::vector<std::uint32_t> operand(kernels::quantized_stride(128));
          kernels::quantize_operand(x.data(), 128, operand.data());
          std::vector<float> result(32);
          kernels::linear({operand.data(), operand.size(), 1, &matrix, nullptr, result.data(), 32},
                          0, 1, 0, 1);
          return result;
        },
        std::vector<double>(32, sum), 0);
  }
}

TEST_CASE("a matrix of integers gives its rows back to a step") {
  auto w = random_floats(40 * 200, 1);
  std::fill(w.begin() + 128, w.begin() + 200, 0.0F);  // a group of zeros
  w[0] = 7;
  thread_pool pool({2, 0});
  const linear_slice slice({{40, 0, view(w, 40, 200), std::nullopt}}, {{200, 0}});
  for (const weight_type type : {weight_type::int8, weight_type::int4}) {
    CAPTURE(type);
    const packed_matrix matrix(slice, type, pool);
    const bool is_int4 = type == weight_type::int4;
    CHECK(matrix.size_in_bytes() == 2 * 2 * (is_int4 ? 17 : 33) * 32 * 4);
    for (std::uint32_t row = 0; row < 40; ++row) {
      std::vector<float> out(200);
      matrix.copy_row(row, out.data());
      double error = 0;
      for (std::uint32_t k = 0; k < 200; ++k) {
        const float highest = row == 0 && k < 128 ? 7.0F : 4.5F;
        // Of four bits a half goes to rounding the zero point, and up to 15 % of the range are cut
        // off where that makes the errors smaller.
        const float step = is_int4 ? highest * 2 / 15 : highest / 127 * 0.51F;
        const float cut = is_int4 && k < 128 ? highest * 0.15F : 0.0F;
        CHECK(std::fabs(out[k] - w[row * 200 + k]) <= step + cut);
        error += std::pow(double{out[k]} - double{w[row * 200 + k]}, 2);
      }
      CHECK(std::sqrt(error / 200) <= (is_int4 ? 0.16 : 0.017));
      if (row == 0) CHECK(out[150] == 0.0F);
    }
  }
}

TEST_CASE("every target rounds weights to the same integers") {
  const auto weights = random_floats(300, 9, 0.02F);
  for (const std::uint32_t bits : {4U, 8U}) {
    const auto round = [&] {
      integer_row row;
      kernels::round_to_integers(weights, bits, row);
      std::vector<float> out(row.values.begin(), row.values.end());
      for (const float16 scale : row.scales) out.push_back(to_float(scale));
      out.insert(out.end(), row.zeros.begin(), row.zeros.end());
      return out;
    };
    const auto expected = round();
    on_every_target(round, {expected.begin(), expected.end()}, 0);
  }
}

TEST_CASE("a packed matrix gives its rows back") {
  const auto w = rounded(random_floats(19 * 23, 1));
  thread_pool pool({2, 0});
  for (dtype type : {dtype::float32, dtype::bfloat16}) {
    const linear_slice slice({{19, 0, view(w, 19, 23), std::nullopt}}, {{23, 0}});
    const packed_matrix matrix(slice, weight_type_of(type), pool);
    CHECK(matrix.size_in_bytes() == packed_matrix::size_in_bytes(19, 23, weight_type_of(type)));
    for (std::uint32_t row = 0; row < 19; ++row) {
      std::vector<float> out(23);
      matrix.copy_row(row, out.data());
      CHECK(std::memcmp(out.data(), w.data() + row * 23, 23 * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("rms_norm, silu_mul and operands agree with their formulas") {
  for (std::uint32_t width : {1U, 3U, 15U, 16U, 17U, 33U, 100U, 896U}) {
    CAPTURE(width);
    const auto x = random_floats(width, width, 3.0F);
    const auto weight = random_floats(width, 2);
    on_every_target(
        [&] {
          std::vector<float> residual = x;
          std::vector<std::uint32_t> out(width);
          kernels::add_rms_norm({nullptr, residual.data(), weight.data(), width, 1e-6F},
                                dtype::float32, out.data());
          return elements(out, width, dtype::float32);
        },
        reference::rms_norm(x, weight, 1e-6), 1e-5);
    on_every_target(
        [&] {
          std::vector<std::uint32_t> out(width);
          kernels::silu_mul(x.data(), weight.data(), width, dtype::float32, out.data());
          return elements(out, width, dtype::float32);
        },
        reference::silu_mul(x, weight), 1e-5);
    const auto nearest = rounded(x);
    on_every_target(
        [&] {
          std::vector<float> values = x;
          auto* in_place = reinterpret_cast<std::uint32_t*>(values.data());
          kernels::make_operand(values.data(), width, dtype::bfloat16, in_place);
          const std::vector<std::uint32_t> words(in_place, in_place + (width + 1) / 2);
          if (width % 2 == 1) CHECK((words.back() >> 16U) == 0);
          return elements(words, width, dtype::bfloat16);
        },
        std::vector<double>(nearest.begin(), nearest.end()), 0.0);
  }
}

TEST_CASE("the residual stream takes the addend before the norm") {
  const auto x = random_floats(21, 1);
  const auto addend = random_floats(21, 2);
  const std::vector<float> ones(21, 1.0F);
  std::vector<float> residual = x;
  std::vector<std::uint32_t> out(21);
  kernels::add_rms_norm({addend.data(), residual.data(), ones.data(), 21, 1e-6F}, dtype::float32,
                        out.data());
  std::vector<float> sum(21);
  for (std::size_t i = 0; i < 21; ++i) sum[i] = x[i] + addend[i];
  CHECK(residual == sum);
  const auto expected = reference::rms_norm(sum, ones, 1e-6);
  const auto normed = elements(out, 21, dtype::float32);
  for (std::size_t i = 0; i < 21; ++i) CHECK(std::fabs(normed[i] - expected[i]) <= 1e-6);
}

namespace {

// A sequence of `num_keys` tokens on pages out of order, in head 1 of 2; what is beyond it is NaN.
struct paged_sequence {
  paged_sequence(std::uint32_t count, std::uint32_t dim, kv_type type)
      : num_keys(count),
        head_dim(dim),
        keys(rounded(random_floats(std::size_t{count} * dim, 1))),
        values(rounded(random_floats(std::size_t{count} * dim, 2))),
        pages({1, count / page_size_tokens + 4, 2, dim, type}) {}

  void write() {
    const std::vector<float> poison(head_dim, NAN);
    const std::uint32_t num_pages = num_keys / page_size_tokens + 1;
    for (std::uint32_t p = 0; p < num_pages; ++p) table.push_back((p + 2) % (num_pages + 3));
    for (std::uint32_t j = 0; j < num_pages * page_size_tokens; ++j) {
      const bool real = j < num_keys;
      pages.write(0, table[j / 16], 1, j % 16,
                  real ? &keys[std::size_t{j} * head_dim] : poison.data(),
                  real ? &values[std::size_t{j} * head_dim] : poison.data());
    }
  }

  std::uint32_t num_keys;
  std::uint32_t head_dim;
  std::vector<float> keys;
  std::vector<float> values;
  kv_pages pages;
  std::vector<page_idx> table;
};

// The words that attention reads of a query.
std::vector<std::uint32_t> query_words(const float* query, std::uint32_t head_dim, kv_type type) {
  std::vector<std::uint32_t> out(head_dim);
  if (type == kv_type::int8) {
    kernels::quantize_query(query, head_dim, out.data());
  } else {
    kernels::make_operand(query, head_dim, dtype_of(type), out.data());
  }
  return out;
}

struct expected_rows {
  std::vector<double> exact;    // of the values as they were given
  std::vector<double> rounded;  // of the values as they are stored
};

// The last six positions, three heads each, on every target against both.
void check_attention(paged_sequence& sequence, kv_type type, double exact_tolerance,
                     double rounded_tolerance) {
  const std::uint32_t dim = sequence.head_dim;
  const std::uint32_t rows = std::min(sequence.num_keys, 6U);
  const auto queries = rounded(random_floats(std::size_t{rows} * 3 * dim, 3));
  const auto scratch = std::make_unique<kernels::attention_scratch>();
  const double scale = 1.0 / std::sqrt(static_cast<double>(dim));
  const auto stored = [type](std::vector<float> values, std::size_t group) {
    return type == kv_type::int8 ? reference::quantized(values, group) : values;
  };
  std::vector<std::vector<std::uint32_t>> words;
  expected_rows expected;
  for (std::uint32_t q = 0; q < rows * 3; ++q) {
    const auto query = std::span(queries).subspan(std::size_t{q} * dim, dim);
    words.push_back(query_words(query.data(), dim, type));
    scratch->queries[q] = words.back().data();
    scratch->positions[q] = sequence.num_keys - rows + q / 3;
    const std::size_t seen = (std::size_t{scratch->positions[q]} + 1) * dim;
    const std::vector<float> keys(sequence.keys.begin(), sequence.keys.begin() + seen);
    const std::vector<float> values(sequence.values.begin(), sequence.values.begin() + seen);
    std::vector<float> stored_keys;
    for (std::size_t at = 0; at < seen; at += dim) {
      const auto key = stored({keys.begin() + at, keys.begin() + at + dim}, kv_group_size);
      stored_keys.insert(stored_keys.end(), key.begin(), key.end());
    }
    const auto exact = reference::attention(query, keys, values, scale);
    const auto near = reference::attention(stored({query.begin(), query.end()}, kv_group_size),
                                           stored_keys, stored(values, dim), scale);
    expected.exact.insert(expected.exact.end(), exact.begin(), exact.end());
    expected.rounded.insert(expected.rounded.end(), near.begin(), near.end());
  }
  const auto compute = [&] {
    const auto& shape = sequence.pages.shape();
    kernels::attention({rows * 3, dim, static_cast<float>(scale), type, sequence.pages.keys(0, 1),
                        sequence.pages.values(0, 1), shape.key_stride(), shape.value_stride(),
                        shape.key_words(), shape.value_words(), sequence.table.data()},
                       *scratch);
    std::vector<float> out;
    for (std::uint32_t q = 0; q < rows * 3; ++q) {
      const float* row = scratch->out_row(q, dim);
      out.insert(out.end(), row, row + dim);
    }
    return out;
  };
  on_every_target(compute, expected.exact, exact_tolerance);
  on_every_target(compute, expected.rounded, rounded_tolerance);
}

}  // namespace

TEST_CASE("paged attention agrees with its formula and reads no key beyond the query") {
  for (const kv_type type : {kv_type::float32, kv_type::bfloat16, kv_type::int8}) {
    for (const std::uint32_t head_dim : {16U, 48U, 64U, 128U}) {
      for (const std::uint32_t num_keys : {1U, 15U, 16U, 17U, 63U, 64U, 65U, 200U}) {
        CAPTURE(static_cast<int>(type));
        CAPTURE(head_dim);
        CAPTURE(num_keys);
        paged_sequence sequence(num_keys, head_dim, type);
        sequence.write();
        // Weights of values are rounded, too: by 2^-9 at most, and values are below 5; for int8 by
        // a 65534th of the largest one.
        const double near = type == kv_type::bfloat16 ? 6e-3 : type == kv_type::int8 ? 2e-4 : 1e-5;
        check_attention(sequence, type, type == kv_type::int8 ? 0.06 : near, near);
      }
    }
  }
}

TEST_CASE("a large dimension of a key does not take the digits of the other groups") {
  paged_sequence sequence(100, 64, kv_type::int8);
  for (std::size_t at = 5; at < sequence.keys.size(); at += 64) sequence.keys[at] = 300;
  sequence.write();
  // One step of the large group is 2.4: what matters here is that both ways see the same keys.
  check_attention(sequence, kv_type::int8, 4.0, 2e-3);
}

TEST_CASE("bytes keep a value to half a step, zeros, and what is not finite") {
  std::vector<float> values = random_floats(64, 1);
  std::vector<std::int8_t> bytes(64);
  const float scale = to_float(kernels::quantize_bytes(values.data(), 64, bytes.data()));
  float highest = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    highest = std::max(highest, std::fabs(values[i]));
    CHECK(std::fabs(values[i] - scale * static_cast<float>(bytes[i])) <= scale * 0.501F);
  }
  CHECK(scale >= highest / 127);
  CHECK(scale <= highest / 127 * 1.01F);
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    values[7] = odd;
    const bfloat16 none = kernels::quantize_bytes(values.data(), 64, bytes.data());
    CHECK_FALSE(std::isfinite(to_float(none)));
  }
  const std::vector<float> zeros(64);
  CHECK(to_float(kernels::quantize_bytes(zeros.data(), 64, bytes.data())) == 0.0F);
  CHECK(std::ranges::all_of(bytes, [](std::int8_t b) { return b == 0; }));
}
