// The kernels that do a row at a time, against their formulas in float64.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "core/batch.hpp"
#include "cpu/reference.hpp"
#include "cuda/device_array.hpp"

namespace troupe::cuda {
namespace {

// Half a unit in the last place of a bfloat16, and what float32 adds to it.
constexpr double rounding = 4e-3;
constexpr std::uint32_t widths[] = {8, 64, 896, 1536, 2048, 3584, 5120, 8192};

std::span<const float> row_of(const std::vector<float>& rows, std::size_t row, std::size_t width) {
  return std::span(rows).subspan(row * width, width);
}

TEST_CASE("embed copies rows, and takes from the slot what it sampled last") {
  constexpr std::uint32_t vocab_size = 11;
  const std::vector<std::int32_t> tokens{3, last_sampled, 0, 10, last_sampled};
  for (const std::uint32_t width : {8U, 896U, 3584U}) {
    const auto table = random_rounded(vocab_size * width, width);
    device_array<bf16> table_memory(to_bf16(table));
    device_array<std::int32_t> token_memory(tokens);
    device_array<std::uint32_t> slots(std::vector<std::uint32_t>{0, 2, 0, 1, 1});
    device_array<std::int32_t> next(std::vector<std::int32_t>{9, 7, 5});
    device_array<device_fault> fault(std::vector<device_fault>{device_fault::none});
    device_array<bf16> out(tokens.size() * width);
    REQUIRE(is_fine(embed({.table = table_memory.data(),
                           .tokens = token_memory.data(),
                           .slots = slots.data(),
                           .next_tokens = next.data(),
                           .out = out.data(),
                           .fault = fault.data(),
                           .num_rows = 5,
                           .width = width,
                           .vocab_size = vocab_size},
                          nullptr)));
    CHECK(out.is_whole());
    CHECK((fault[0] == device_fault::none));
    const std::uint32_t expected[] = {3, 5, 0, 10, 7};
    const auto got = to_floats(out.values());
    for (std::size_t row = 0; row < tokens.size(); ++row) {
      const auto from = row_of(table, expected[row], width);
      const auto to = row_of(got, row, width);
      CHECK(std::equal(from.begin(), from.end(), to.begin()));
    }
  }
}

TEST_CASE("embed tells of a token outside the vocabulary") {
  for (const std::int32_t token : {-2, 4, 1 << 30}) {
    device_array<bf16> table(to_bf16(random_floats(4 * 16, 1)));
    device_array<std::int32_t> tokens(std::vector<std::int32_t>{token});
    device_array<std::uint32_t> slots(std::vector<std::uint32_t>{0});
    device_array<std::int32_t> next(std::vector<std::int32_t>{0});
    device_array<device_fault> fault(std::vector<device_fault>{device_fault::none});
    device_array<bf16> out(16);
    REQUIRE(is_fine(embed({.table = table.data(),
                           .tokens = tokens.data(),
                           .slots = slots.data(),
                           .next_tokens = next.data(),
                           .out = out.data(),
                           .fault = fault.data(),
                           .num_rows = 1,
                           .width = 16,
                           .vocab_size = 4},
                          nullptr)));
    CHECK((fault[0] == device_fault::unknown_token));
    for (const bf16 x : out.values()) CHECK(x.bits == 0);
  }
}

struct norm_case {
  std::uint32_t num_rows;
  std::uint32_t width;
  bool has_addend;
  std::vector<std::uint32_t> rows;  // empty: all
  float scale = 1.0F;
};

void check_norm(const norm_case& c, unsigned seed) {
  CAPTURE(c.width);
  const std::size_t size = std::size_t{c.num_rows} * c.width;
  auto residual = random_rounded(size, seed, c.scale);
  // A row of zeros stays one.
  if (c.num_rows > 1) std::fill_n(residual.begin(), c.width, 0.0F);
  auto addend = random_rounded(size, seed + 1, c.scale);
  if (c.num_rows > 1) std::fill_n(addend.begin(), c.width, 0.0F);
  const auto weight = random_floats(c.width, seed + 2);
  device_array<bf16> residual_memory(to_bf16(residual));
  device_array<bf16> addend_memory(to_bf16(addend));
  device_array<float> weight_memory(weight);
  device_array<std::uint32_t> rows(c.rows);
  const auto num_out = c.rows.empty() ? c.num_rows : static_cast<std::uint32_t>(c.rows.size());
  device_array<bf16> out(std::size_t{num_out} * c.width);
  REQUIRE(is_fine(add_rms_norm(
      {c.has_addend ? addend_memory.data() : nullptr, residual_memory.data(), weight_memory.data(),
       c.rows.empty() ? nullptr : rows.data(), out.data(), num_out, c.width, 1e-6F},
      nullptr)));
  CHECK((out.is_whole() && residual_memory.is_whole()));
  const auto got = to_floats(out.values());
  const auto left = to_floats(residual_memory.values());
  std::vector<bool> is_changed(c.num_rows);
  for (std::uint32_t i = 0; i < num_out; ++i) {
    const std::uint32_t row = c.rows.empty() ? i : c.rows[i];
    is_changed[row] = true;
    std::vector<double> sum(c.width);
    for (std::uint32_t k = 0; k < c.width; ++k) {
      const std::size_t at = std::size_t{row} * c.width + k;
      sum[k] = double{residual[at]} + (c.has_addend ? double{addend[at]} : 0.0);
    }
    CHECK(distance(row_of(left, row, c.width), sum) <= rounding);
    const auto expected = reference::rms_norm(row_of(left, row, c.width), weight, 1e-6);
    CHECK(distance(row_of(got, i, c.width), expected) <= rounding);
  }
  for (std::uint32_t row = 0; row < c.num_rows; ++row) {
    if (is_changed[row]) continue;
    CHECK(std::equal(left.begin() + row * c.width, left.begin() + (row + 1) * c.width,
                     residual.begin() + row * c.width));
  }
}

TEST_CASE("add_rms_norm is its formula") {
  for (const std::uint32_t width : widths) {
    check_norm({3, width, true, {}}, width);
    check_norm({2, width, false, {}}, width);
  }
  check_norm({1, 896, true, {}, 1e-3F}, 5);
  check_norm({1, 896, true, {}, 100.0F}, 6);
}

TEST_CASE("add_rms_norm of chosen rows leaves the others alone") {
  check_norm({6, 896, true, {1, 2, 5}}, 1);
  check_norm({4, 64, true, {3}}, 2);
}

TEST_CASE("Shapes that a kernel cannot do are refused") {
  device_array<bf16> x(64);
  device_array<float> w(64);
  add_rms_norm_args norm{nullptr, x.data(), w.data(), nullptr, x.data(), 1, 12, 0};
  CHECK(add_rms_norm(norm, nullptr) == launch_error::invalid_value);
  norm.width = 8200;
  CHECK(add_rms_norm(norm, nullptr) == launch_error::invalid_value);
  CHECK(silu_mul({x.data(), x.data(), 1, 9}, nullptr) == launch_error::invalid_value);
  CHECK(silu_mul({x.data(), x.data(), 0, 8}, nullptr) == launch_error::none);
}

TEST_CASE("silu_mul is its formula, and finite where that is") {
  for (const std::uint32_t width : {8U, 608U, 2368U, 4864U}) {
    constexpr std::uint32_t num_rows = 2;
    auto gate_up = random_rounded(std::size_t{num_rows} * 2 * width, width, 4.0F);
    const float extremes[] = {-1e38F, -100.0F, -88.0F, 88.0F, 1e38F, 0.0F, -0.0F, -104.0F};
    for (std::size_t i = 0; i < 8; ++i) {
      gate_up[i] = extremes[i];
      gate_up[width + i] = 0.5F;
    }
    gate_up = to_floats(to_bf16(gate_up));
    device_array<bf16> in(to_bf16(gate_up));
    device_array<bf16> out(std::size_t{num_rows} * width);
    REQUIRE(is_fine(silu_mul({in.data(), out.data(), num_rows, width}, nullptr)));
    CHECK(out.is_whole());
    const auto got = to_floats(out.values());
    for (std::uint32_t row = 0; row < num_rows; ++row) {
      const auto line = row_of(gate_up, row, 2 * width);
      const auto expected = reference::silu_mul(line.first(width), line.subspan(width));
      CHECK(distance(row_of(got, row, width), expected) <= rounding);
    }
  }
}

TEST_CASE("silu_mul of infinite gates is silu's limit") {
  auto gate_up = std::vector<float>(16, 2.0F);
  gate_up[0] = INFINITY;
  gate_up[1] = -INFINITY;
  gate_up[2] = NAN;
  device_array<bf16> in(to_bf16(gate_up));
  device_array<bf16> out(8);
  REQUIRE(is_fine(silu_mul({in.data(), out.data(), 1, 8}, nullptr)));
  const auto got = to_floats(out.values());
  CHECK(got[0] == INFINITY);
  CHECK(got[1] == 0.0F);
  CHECK(std::isnan(got[2]));
}

struct rope_case {
  head_shape heads;
  std::vector<std::uint32_t> positions;
  std::vector<std::uint8_t> ropes;
  std::vector<std::int32_t> places;
};

// As the formula says: feature i turns with feature i + head_dim / 2.
std::vector<double> rotated(std::span<const float> head, std::span<const float> cos,
                            std::span<const float> sin) {
  const std::size_t half = head.size() / 2;
  std::vector<double> out(head.size());
  for (std::size_t i = 0; i < half; ++i) {
    out[i] = double{head[i]} * double{cos[i]} - double{head[i + half]} * double{sin[i]};
    out[i + half] = double{head[i + half]} * double{cos[i]} + double{head[i]} * double{sin[i]};
  }
  return out;
}

constexpr std::uint32_t num_rope_pages = 3;

// The two tables back to back: [2, num_positions, head_dim / 2].
struct rope_angles {
  std::uint32_t num_positions;
  std::vector<float> cos;
  std::vector<float> sin;
};

struct rope_result {
  std::vector<float> qkv;
  std::vector<float> keys;  // the pages
  std::vector<float> values;
};

rope_result run_rope(const rope_case& c, const rope_angles& angles, const std::vector<float>& qkv,
                     const std::vector<float>& pages) {
  device_array<bf16> qkv_memory(to_bf16(qkv));
  device_array<bf16> keys(to_bf16(pages));
  device_array<bf16> values(to_bf16(pages));
  const std::size_t size = angles.cos.size() / 2;
  device_array<float> cos[] = {device_array<float>(std::span(angles.cos).first(size)),
                               device_array<float>(std::span(angles.cos).subspan(size))};
  device_array<float> sin[] = {device_array<float>(std::span(angles.sin).first(size)),
                               device_array<float>(std::span(angles.sin).subspan(size))};
  device_array<std::uint32_t> positions(c.positions);
  device_array<std::uint8_t> ropes(c.ropes);
  device_array<std::int32_t> places(c.places);
  rope_kv_write_args args;
  args.qkv = qkv_memory.data();
  args.positions = positions.data();
  args.ropes = ropes.data();
  args.kv_places = places.data();
  for (int kind = 0; kind < 2; ++kind) args.tables[kind] = {cos[kind].data(), sin[kind].data()};
  args.pages = {reinterpret_cast<std::byte*>(keys.data()),
                reinterpret_cast<std::byte*>(values.data())};
  args.heads = c.heads;
  args.num_rows = static_cast<std::uint32_t>(c.positions.size());
  REQUIRE(is_fine(rope_kv_write(args, nullptr)));
  CHECK((qkv_memory.is_whole() && keys.is_whole() && values.is_whole()));
  return {to_floats(qkv_memory.values()), to_floats(keys.values()), to_floats(values.values())};
}

// The first element of a KV head's row in the pages.
std::size_t rope_line(const head_shape& heads, std::uint32_t place, std::uint32_t kv_head) {
  const std::size_t page = place / page_size_tokens;
  return ((page * heads.num_kv_heads + kv_head) * page_size_tokens + place % page_size_tokens) *
         heads.head_dim;
}

void check_rope(const rope_case& c, std::uint32_t num_positions) {
  const head_shape& heads = c.heads;
  CAPTURE(heads.num_q_heads);
  const std::uint32_t num_heads = heads.num_q_heads + 2 * heads.num_kv_heads;
  const std::size_t dim = heads.head_dim;
  const std::size_t half = dim / 2;
  const auto qkv = random_rounded(c.positions.size() * num_heads * dim, 1);
  const auto old_pages =
      random_rounded(std::size_t{num_rope_pages} * heads.num_kv_heads * page_size_tokens * dim, 2);
  const rope_angles angles{num_positions, random_floats(2 * num_positions * half, 3),
                           random_floats(2 * num_positions * half, 4)};
  rope_result got = run_rope(c, angles, qkv, old_pages);
  for (std::size_t row = 0; row < c.positions.size(); ++row) {
    const std::size_t angle = (c.ropes[row] * std::size_t{num_positions} + c.positions[row]) * half;
    for (std::uint32_t h = 0; h < num_heads; ++h) {
      CAPTURE(h);
      const std::size_t at = (row * num_heads + h) * dim;
      const auto head = std::span(qkv).subspan(at, dim);
      const auto after = std::span(got.qkv).subspan(at, dim);
      const auto expected = rotated(head, std::span(angles.cos).subspan(angle, half),
                                    std::span(angles.sin).subspan(angle, half));
      if (h < heads.num_q_heads) {
        CHECK(distance(after, expected) <= rounding);
        continue;
      }
      CHECK(std::equal(after.begin(), after.end(), head.begin()));
      if (c.places[row] < 0) continue;
      const bool is_value = h >= heads.num_q_heads + heads.num_kv_heads;
      const std::size_t line = rope_line(heads, static_cast<std::uint32_t>(c.places[row]),
                                         (h - heads.num_q_heads) % heads.num_kv_heads);
      const auto cell = std::span(is_value ? got.values : got.keys).subspan(line, dim);
      if (is_value) {
        CHECK(std::equal(cell.begin(), cell.end(), head.begin()));
      } else {
        CHECK(distance(cell, expected) <= rounding);
      }
      // What is left is what must not have changed.
      std::copy_n(old_pages.begin() + static_cast<std::ptrdiff_t>(line), dim, cell.begin());
    }
  }
  CHECK(got.keys == old_pages);
  CHECK(got.values == old_pages);
}

TEST_CASE("rope_kv_write rotates queries and keys, and writes their pages only") {
  const std::vector<std::uint32_t> positions{0, 5, 6, 40};
  const std::vector<std::uint8_t> ropes{0, 1, 0, 1};
  const std::vector<std::int32_t> places{47, 0, -1, 17};
  for (const std::uint32_t dim : {64U, 128U}) {
    for (const head_shape& heads :
         {head_shape{7, 1, dim}, head_shape{14, 2, dim}, head_shape{28, 4, dim},
          head_shape{3, 1, dim}, head_shape{40, 8, dim}}) {
      check_rope({heads, positions, ropes, places}, 41);
    }
  }
}

TEST_CASE("rope_kv_write reaches the last position of a long window") {
  check_rope({{1, 1, 64}, {131071, 0}, {1, 0}, {3, 4}}, 131072);
}

TEST_CASE("copy_pages copies whole pages of every layer, between pools") {
  constexpr std::uint32_t page_bytes = 4096;
  constexpr std::uint32_t num_layers = 3;
  std::vector<std::uint8_t> from(num_layers * 5 * page_bytes);
  std::mt19937 random(1);
  for (auto& b : from) b = static_cast<std::uint8_t>(random());
  const std::vector<std::uint8_t> old(num_layers * 4 * page_bytes, 7);
  device_array<std::uint8_t> from_memory(from);
  device_array<std::uint8_t> to_memory(old);
  device_array<page_copy> pages(std::vector<page_copy>{{4, 0}, {1, 3}});
  REQUIRE(is_fine(copy_pages({from_memory.data(), to_memory.data(), 5 * page_bytes, 4 * page_bytes,
                              page_bytes, pages.data(), 2, num_layers},
                             nullptr)));
  CHECK(to_memory.is_whole());
  auto expected = old;
  for (std::size_t layer = 0; layer < num_layers; ++layer) {
    for (const auto& [source, target] : {std::pair{4U, 0U}, std::pair{1U, 3U}}) {
      std::copy_n(
          from.begin() + static_cast<std::ptrdiff_t>((layer * 5 + source) * page_bytes), page_bytes,
          expected.begin() + static_cast<std::ptrdiff_t>((layer * 4 + target) * page_bytes));
    }
  }
  CHECK(std::equal(expected.begin(), expected.end(), to_memory.values().begin()));
}

}  // namespace
}  // namespace troupe::cuda
