// Attention of both kinds, against its formula in float64.
#include <doctest/doctest.h>

#include "core/batch.hpp"
#include "cuda/attention_case.hpp"

namespace troupe::cuda {
namespace {

// Weights and result are rounded to bfloat16 once each.
constexpr double tolerance = 6e-3;

std::vector<test_chunk> single_rows(const std::vector<std::uint32_t>& contexts) {
  std::vector<test_chunk> chunks;
  for (const std::uint32_t context : contexts) chunks.push_back({1, context - 1});
  return chunks;
}

std::vector<float> rows_of(const std::vector<float>& all, std::uint32_t first, std::uint32_t count,
                           const head_shape& heads) {
  const std::size_t width = std::size_t{heads.num_q_heads} * heads.head_dim;
  const auto start = all.begin() + static_cast<std::ptrdiff_t>(first * width);
  return {start, start + static_cast<std::ptrdiff_t>(count * width)};
}

TEST_CASE("decode_attention is its formula, for every group of heads") {
  for (const std::uint32_t dim : {64U, 128U}) {
    for (std::uint32_t group = 1; group <= 8; ++group) {
      CAPTURE(dim);
      CAPTURE(group);
      attention_case c({2 * group, 2, dim}, single_rows({1, 15, 16, 17, 33, 64, 65, 257}), group);
      CHECK(c.error_of(c.run()) <= tolerance);
    }
  }
}

TEST_CASE("decode_attention of sharp scores is its formula") {
  attention_case c({7, 1, 128}, single_rows({100, 300}), 3, 8.0F);
  CHECK(c.error_of(c.run()) <= tolerance);
}

TEST_CASE("decode_attention reaches long contexts") {
  for (const std::uint32_t context : {4095U, 32768U, 131072U}) {
    CAPTURE(context);
    attention_case c({2, 1, 64}, single_rows({context}), context);
    CHECK(c.error_of(c.run()) <= tolerance);
  }
  attention_case wide({7, 1, 128}, single_rows({4097}), 1);
  CHECK(wide.error_of(wide.run()) <= tolerance);
}

TEST_CASE("decode_attention in any number of parts is the same up to rounding") {
  attention_case c({7, 1, 64}, single_rows({1000, 1, 16, 31}), 1);
  for (const std::uint32_t part_pages : {1U, 2U, 3U, 5U, 16U, 62U, 63U}) {
    CAPTURE(part_pages);
    CHECK(c.error_of(c.run_decode(part_pages)) <= tolerance);
  }
}

TEST_CASE("A row's attention does not depend on the rows beside it") {
  attention_case c({14, 2, 64}, {{1, 299}, {1, 19}, {4, 30}, {1, 699}}, 5);
  const std::vector<float> together = c.run();
  for (const attention_chunk& chunk : c.chunks()) {
    const std::vector<float> alone = c.run({chunk});
    CHECK(rows_of(alone, chunk.first_row, chunk.num_rows, c.heads()) ==
          rows_of(together, chunk.first_row, chunk.num_rows, c.heads()));
  }
}

TEST_CASE("Padding parts, rows and tiles do nothing") {
  attention_case c({2, 1, 64}, {{1, 5}, {3, 2}}, 1);
  device_array<decode_part> parts(std::vector<decode_part>(3));
  device_array<decode_row> rows(std::vector<decode_row>(2));
  device_array<float> none(0);
  REQUIRE(is_fine(decode_attention(
      {c.args(), parts.data(), rows.data(), 3, 2, none.data(), none.data()}, nullptr)));
  device_array<prefill_tile> tiles(std::vector<prefill_tile>(2));
  REQUIRE(is_fine(prefill_attention({c.args(), tiles.data(), 2}, nullptr)));
  CHECK(c.is_whole());
  for (const float x : c.out()) CHECK(x != x);
}

TEST_CASE("prefill_attention is its formula, for every group of heads") {
  for (const std::uint32_t dim : {64U, 128U}) {
    for (std::uint32_t group = 1; group <= 8; ++group) {
      CAPTURE(dim);
      CAPTURE(group);
      attention_case c({group, 1, dim}, {{2, 0}, {17, 0}, {5, 60}, {33, 31}}, group);
      CHECK(c.error_of(c.run()) <= tolerance);
    }
  }
}

TEST_CASE("prefill_attention is its formula, for many lengths and prior contexts") {
  const head_shape heads{7, 1, 64};
  for (const std::uint32_t rows : {2U, 16U, 63U, 64U, 65U, 129U, 300U}) {
    for (const std::uint32_t prior : {0U, 1U, 15U, 63U, 64U, 200U}) {
      CAPTURE(rows);
      CAPTURE(prior);
      attention_case c(heads, {{rows, prior}}, rows + prior);
      CHECK(c.error_of(c.run()) <= tolerance);
    }
  }
  attention_case far({4, 2, 128}, {{6, 5000}}, 1);
  CHECK(far.error_of(far.run()) <= tolerance);
  attention_case sharp({7, 1, 128}, {{70, 100}}, 2, 8.0F);
  CHECK(sharp.error_of(sharp.run()) <= tolerance);
}

TEST_CASE("prefill_attention and decode_attention stand side by side in a step") {
  attention_case c({14, 2, 64}, {{1, 40}, {20, 7}, {1, 0}, {2, 100}, {9, 0}}, 9);
  CHECK(c.error_of(c.run()) <= tolerance);
}

TEST_CASE("A prompt in chunks has the same bits as in one") {
  const head_shape heads{7, 1, 64};
  attention_case whole(heads, {{90, 0}}, 4);
  const auto expected = whole.run();
  std::vector<float> got;
  for (const auto& [first, count] : {std::pair{0U, 37U}, std::pair{37U, 1U}, std::pair{38U, 2U},
                                     std::pair{40U, 1U}, std::pair{41U, 49U}}) {
    // The same memory, another view of it.
    attention_chunk chunk = whole.chunks()[0];
    chunk.first_row = first;
    chunk.num_rows = count;
    chunk.first_position = first;
    const auto rows = rows_of(whole.run({chunk}, lone_rows::as_tiles), first, count, heads);
    got.insert(got.end(), rows.begin(), rows.end());
  }
  CHECK(got == expected);
}

TEST_CASE("Attention refuses heads that it cannot do") {
  attention_case c({2, 1, 64}, {{1, 0}}, 1);
  for (const head_shape& heads :
       {head_shape{9, 1, 64}, head_shape{2, 1, 96}, head_shape{3, 2, 64}, head_shape{1, 0, 64}}) {
    attention_args args = c.args();
    args.heads = heads;
    CHECK(decode_attention({args, nullptr, nullptr, 1, 1, nullptr, nullptr}, nullptr) ==
          launch_error::invalid_value);
    CHECK(prefill_attention({args, nullptr, 1}, nullptr) == launch_error::invalid_value);
  }
}

TEST_CASE("The plan of a step covers every chunk once") {
  const std::vector<attention_chunk> chunks{
      {0, 1, 0, 0, 1}, {1, 40, 100, 1, 9}, {41, 1, 131071, 10, 8192}, {42, 2, 0, 8202, 1}};
  attention_plan plan;
  plan_attention(chunks, 7, plan);
  REQUIRE(plan.rows.size() == 2);
  CHECK(plan.rows[0].num_parts == 1);
  CHECK(plan.rows[1].num_parts == max_decode_parts);
  std::uint32_t pages = 0;
  for (std::uint32_t p = 0; p < plan.rows[1].num_parts; ++p) {
    const decode_part& part = plan.parts[plan.rows[1].first_part + p];
    CHECK(part.row == 41);
    CHECK(part.first_page == pages);
    CHECK(part.context_tokens == 131072);
    pages += part.num_pages;
  }
  CHECK(pages == 8192);
  // 280 queries in tiles of 128, the latest first; then the short chunk.
  REQUIRE(plan.tiles.size() == 4);
  CHECK(plan.tiles[0].first_query == 256);
  CHECK(plan.tiles[1].first_query == 128);
  CHECK(plan.tiles[3].first_row == 42);
  plan_attention({}, 7, plan);
  CHECK((plan.parts.empty() && plan.rows.empty() && plan.tiles.empty()));
}

}  // namespace
}  // namespace troupe::cuda
