// Attention of long chunks by warpgroups, against its formula in float64.
#include <doctest/doctest.h>

#include <algorithm>

#include "cuda/attention_case.hpp"
#include "simt/machine.hpp"

namespace troupe::cuda {
namespace {

// Weights and result are rounded to bfloat16 once each.
constexpr double tolerance = 6e-3;

attention_case case_of(const head_shape& heads, const std::vector<test_chunk>& chunks,
                       unsigned seed, float query_scale = 1.0F) {
  attention_case out(heads, chunks, seed, query_scale);
  out.use(&wgmma_prefill_attention);
  return out;
}

double error_of(const head_shape& heads, const std::vector<test_chunk>& chunks, unsigned seed,
                float query_scale = 1.0F) {
  attention_case c = case_of(heads, chunks, seed, query_scale);
  return c.error_of(c.run());
}

std::vector<float> rows_of(const std::vector<float>& all, std::uint32_t first, std::uint32_t count,
                           const head_shape& heads) {
  const std::size_t width = std::size_t{heads.num_q_heads} * heads.head_dim;
  const auto start = all.begin() + static_cast<std::ptrdiff_t>(first * width);
  return {start, start + static_cast<std::ptrdiff_t>(count * width)};
}

TEST_CASE("wgmma_prefill_attention is its formula, for every group of heads") {
  for (const std::uint32_t dim : {64U, 128U}) {
    for (std::uint32_t group = 1; group <= 8; ++group) {
      CAPTURE(dim);
      CAPTURE(group);
      CHECK(error_of({group, 1, dim}, {{2, 0}, {17, 0}, {5, 124}, {33, 95}}, group) <= tolerance);
    }
  }
  CHECK(error_of({6, 2, 128}, {{40, 300}}, 1) <= tolerance);
  CHECK(error_of({15, 3, 64}, {{40, 300}}, 2) <= tolerance);
}

TEST_CASE("wgmma_prefill_attention is its formula, for many lengths and prior contexts") {
  for (const std::uint32_t rows : {2U, 16U, 63U, 127U, 128U, 129U, 300U}) {
    for (const std::uint32_t prior : {0U, 1U, 15U, 127U, 128U, 400U}) {
      CAPTURE(rows);
      CAPTURE(prior);
      CHECK(error_of({rows % 2 == 0 ? 7U : 1U, 1, 64}, {{rows, prior}}, rows + prior) <= tolerance);
    }
  }
}

TEST_CASE("wgmma_prefill_attention reaches far and stands sharp scores") {
  CHECK(error_of({4, 2, 128}, {{6, 5000}}, 1) <= tolerance);
  CHECK(error_of({7, 1, 128}, {{70, 200}}, 2, 8.0F) <= tolerance);
  CHECK(error_of({1, 1, 128}, {{200, 130}}, 3, 8.0F) <= tolerance);
}

TEST_CASE("wgmma_prefill_attention has the same bits in any order of threads") {
  const head_shape heads{7, 1, 128};
  attention_case c = case_of(heads, {{50, 350}}, 4);
  const auto expected = c.run();
  CHECK(c.error_of(expected) <= tolerance);
  for (std::uint64_t seed = 100; seed < 120; ++seed) {
    simt::seed(seed);
    CHECK(c.run() == expected);
  }
}

TEST_CASE("wgmma_prefill_attention of a chunk does not depend on those beside it") {
  attention_case c = case_of({14, 2, 64}, {{9, 299}, {30, 19}, {4, 130}, {150, 0}}, 5);
  const std::vector<float> together = c.run();
  CHECK(c.error_of(together) <= tolerance);
  for (const attention_chunk& chunk : c.chunks()) {
    CHECK(rows_of(c.run({chunk}), chunk.first_row, chunk.num_rows, c.heads()) ==
          rows_of(together, chunk.first_row, chunk.num_rows, c.heads()));
  }
}

TEST_CASE("wgmma_prefill_attention of a prompt in chunks has the same bits as in one") {
  for (const std::uint32_t dim : {64U, 128U}) {
    const head_shape heads{7, 1, dim};
    attention_case whole = case_of(heads, {{290, 0}}, 4);
    const auto expected = whole.run();
    std::vector<float> got;
    std::uint32_t first = 0;
    for (const std::uint32_t count : {37U, 1U, 2U, 87U, 1U, 2U, 128U, 32U}) {
      // The same memory, another view of it.
      attention_chunk chunk = whole.chunks()[0];
      chunk.first_row = chunk.first_position = first;
      chunk.num_rows = count;
      const auto rows = rows_of(whole.run({chunk}, lone_rows::as_tiles), first, count, heads);
      got.insert(got.end(), rows.begin(), rows.end());
      first += count;
    }
    CHECK(got == expected);
  }
}

TEST_CASE("wgmma_prefill_attention passes over padding tiles") {
  attention_case c = case_of({2, 1, 64}, {{3, 2}}, 1);
  device_array<prefill_tile> tiles(std::vector<prefill_tile>(2));
  REQUIRE(is_fine(wgmma_prefill_attention({c.args(), tiles.data(), 2}, nullptr)));
  CHECK(c.is_whole());
  CHECK(std::ranges::all_of(c.out(), [](float x) { return x != x; }));
}

TEST_CASE("wgmma_prefill_attention refuses what it cannot do") {
  attention_case c = case_of({2, 1, 64}, {{3, 0}}, 1);
  for (const head_shape& heads :
       {head_shape{9, 1, 64}, head_shape{2, 1, 96}, head_shape{3, 2, 64}, head_shape{1, 0, 64}}) {
    attention_args args = c.args();
    args.heads = heads;
    CHECK(wgmma_prefill_attention({args, nullptr, 1}, nullptr) == launch_error::invalid_value);
  }
  attention_args args = c.args();
  args.pages.format = kv_format::e4m3;
  CHECK(wgmma_prefill_attention({args, nullptr, 1}, nullptr) == launch_error::invalid_value);
  CHECK(wgmma_prefill_attention({c.args(), nullptr, 0}, nullptr) == launch_error::none);
}

}  // namespace
}  // namespace troupe::cuda
