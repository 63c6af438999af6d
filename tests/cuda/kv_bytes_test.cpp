// Keys and values of one byte: what is written, against the definition of the bytes; and attention
// over them, against its formula in float64.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "cuda/attention_case.hpp"
#include "cuda/page_bytes.hpp"

namespace troupe::cuda {
namespace {

constexpr auto bytes = kv_format::e4m3;
// As of bfloat16 pages: what the bytes say is what the formula is given.
constexpr double tolerance = 6e-3;

// What rope_kv_write makes of one KV head's keys and values, position r of row r.
struct written_pages {
  std::vector<std::byte> keys;
  std::vector<std::byte> values;
};

// `turned`: by angles that differ from row to row; else not at all.
written_pages write_rows(const std::vector<float>& keys, const std::vector<float>& values,
                         std::uint32_t dim, bool turned) {
  const auto num_rows = static_cast<std::uint32_t>(keys.size() / dim);
  const std::uint32_t num_pages = num_rows / page_size_tokens + 1;
  std::vector<float> qkv;
  std::vector<std::uint32_t> positions;
  std::vector<std::int32_t> places;
  for (std::uint32_t row = 0; row < num_rows; ++row) {
    qkv.insert(qkv.end(), dim, 0.0F);
    const auto first = static_cast<std::ptrdiff_t>(row * dim);
    qkv.insert(qkv.end(), keys.begin() + first, keys.begin() + first + dim);
    qkv.insert(qkv.end(), values.begin() + first, values.begin() + first + dim);
    positions.push_back(row);
    places.push_back(static_cast<std::int32_t>(row));
  }
  std::vector<float> cos(std::size_t{num_rows} * dim / 2, 1.0F);
  std::vector<float> sin(cos.size(), 0.0F);
  for (std::size_t i = 0; turned && i < cos.size(); ++i) {
    cos[i] = std::cos(static_cast<float>(i));
    sin[i] = std::sin(static_cast<float>(i));
  }
  device_array<bf16> qkv_memory(to_bf16(qkv));
  device_array<std::uint32_t> position_memory(positions);
  device_array<std::uint8_t> ropes(std::vector<std::uint8_t>(num_rows, 0));
  device_array<std::int32_t> place_memory(places);
  device_array<float> cos_memory(cos);
  device_array<float> sin_memory(sin);
  device_array<std::byte> key_memory(num_pages * head_page_bytes(bytes, dim));
  device_array<std::byte> value_memory(num_pages * head_page_bytes(bytes, dim));
  const rope_tables table{cos_memory.data(), sin_memory.data()};
  REQUIRE(is_fine(rope_kv_write({.qkv = qkv_memory.data(),
                                 .positions = position_memory.data(),
                                 .ropes = ropes.data(),
                                 .kv_places = place_memory.data(),
                                 .tables = {table, table},
                                 .pages = {key_memory.data(), value_memory.data(), bytes},
                                 .heads = {1, 1, dim},
                                 .num_rows = num_rows},
                                nullptr)));
  CHECK((key_memory.is_whole() && value_memory.is_whole() && qkv_memory.is_whole()));
  // Keys and values of the step's own buffer are as they were.
  CHECK(to_floats(qkv_memory.values()) == qkv);
  return {{key_memory.values().begin(), key_memory.values().end()},
          {value_memory.values().begin(), value_memory.values().end()}};
}

// Rows, and behind them rows that nobody writes, up to the end of the page behind the last.
std::vector<std::byte> expected_pages(std::vector<float> rows, std::uint32_t dim) {
  const std::size_t num_rows = rows.size() / dim;
  rows.resize((num_rows / page_size_tokens + 1) * page_size_tokens * dim, std::nanf(""));
  return to_pages(bytes, rows, dim);
}

TEST_CASE("every number up to 448 goes to bytes as their definition says") {
  constexpr std::uint32_t dim = 64;
  std::vector<float> rows;
  for (std::uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    const float x = to_float(bfloat16{static_cast<std::uint16_t>(bits)});
    if (!(std::abs(x) <= 448)) continue;
    // The largest of a row says that the others stay as they are.
    if (rows.size() % dim == 0) rows.push_back(448.0F);
    rows.push_back(x);
  }
  rows.resize((rows.size() + dim - 1) / dim * dim, 0.0F);
  const auto got = write_rows(rows, rows, dim, false);
  const auto expected = expected_pages(rows, dim);
  CHECK(got.values == expected);
  // A turn by nothing makes minus zero zero.
  CHECK(from_pages(bytes, got.keys, dim).size() == from_pages(bytes, expected, dim).size());
}

TEST_CASE("rows of any size go to bytes with an exponent of their own") {
  for (const std::uint32_t dim : {64U, 128U}) {
    std::vector<float> rows;
    for (const float scale : {1.0F, 1e-3F, 40.0F, 447.0F, 449.0F, 1e4F, 57344.0F, 1e6F, 1e-20F,
                              1e-38F, 0.0F, 3.5F, 1.75F, 1.7421875F, 1.7578125F, 256.0F, 0.01F}) {
      const auto row = random_floats(dim, static_cast<unsigned>(rows.size()));
      float largest = 0;
      for (const float x : row) largest = std::max(largest, std::abs(x));
      for (const float x : row) rows.push_back(to_float(to_bfloat16(x / largest * scale)));
    }
    const auto got = write_rows(rows, rows, dim, false);
    CHECK(got.values == expected_pages(rows, dim));
  }
}

TEST_CASE("keys are turned, then go to bytes") {
  constexpr std::uint32_t dim = 128;
  const auto keys = random_rounded(40 * dim, 1, 3.0F);
  const auto values = random_rounded(40 * dim, 2, 0.3F);
  const auto got = write_rows(keys, values, dim, true);
  std::vector<float> turned;
  for (std::size_t row = 0; row < 40; ++row) {
    for (std::size_t i = 0; i < dim; ++i) {
      const auto angle = static_cast<float>(row * dim / 2 + i % (dim / 2));
      const float a = keys[row * dim + i];
      const float b = keys[row * dim + (i + dim / 2) % dim] * (i < dim / 2 ? -1.0F : 1.0F);
      turned.push_back(to_float(to_bfloat16(a * std::cos(angle) + b * std::sin(angle))));
    }
  }
  CHECK(got.keys == expected_pages(turned, dim));
  CHECK(got.values == expected_pages(values, dim));
}

TEST_CASE("pages of bytes are copied whole, exponents with them") {
  constexpr std::uint32_t num_heads = 3;
  for (const std::uint32_t dim : {64U, 128U}) {
    const auto pages =
        to_pages(bytes, random_floats(4 * num_heads * page_size_tokens * dim, 1), dim);
    const std::size_t page = num_heads * head_page_bytes(bytes, dim);
    device_array<std::byte> from(pages);
    device_array<std::byte> to(pages);
    device_array<page_copy> which(std::vector<page_copy>{{3, 0}});
    REQUIRE(is_fine(copy_pages({from.data(), to.data(), pages.size(), pages.size(),
                                static_cast<std::uint32_t>(page), which.data(), 1, 1},
                               nullptr)));
    auto expected = pages;
    std::copy_n(pages.end() - static_cast<std::ptrdiff_t>(page), page, expected.begin());
    CHECK(std::equal(expected.begin(), expected.end(), to.values().begin()));
  }
}

TEST_CASE("attention over one key of bytes says every byte exactly") {
  constexpr std::uint32_t dim = 64;
  for (const int power : {-100, -20, -1, 0, 1, 7}) {
    for (std::uint32_t first = 0; first < 256; first += dim) {
      std::vector<std::byte> page(head_page_bytes(bytes, dim), std::byte{0xFF});
      std::vector<float> expected;
      for (std::uint32_t i = 0; i < dim; ++i) {
        const auto byte = static_cast<std::uint8_t>((first + i) % 128 == 127 ? 0 : first + i);
        page[i] = std::byte{byte};
        expected.push_back(static_cast<float>(std::ldexp(e4m3_value(byte), power)));
      }
      page[page_size_tokens * dim] = static_cast<std::byte>(power + 127);
      std::vector<std::byte> keys = page;
      std::fill_n(keys.begin(), dim, std::byte{0});
      device_array<std::byte> key_memory(keys);
      device_array<std::byte> value_memory(page);
      device_array<bf16> qkv(to_bf16(random_floats(3 * dim, 1)));
      device_array<std::uint32_t> table(std::vector<std::uint32_t>{0});
      device_array<bf16> out(dim);
      attention_args args{qkv.data(),   3 * dim,    {key_memory.data(), value_memory.data(), bytes},
                          table.data(), out.data(), {1, 1, dim}};
      device_array<decode_part> part(std::vector<decode_part>{{0, 0, 0, 1, 1, 1}});
      device_array<decode_row> row(std::vector<decode_row>{{0, 0, 1}});
      REQUIRE(is_fine(
          decode_attention({args, part.data(), row.data(), 1, 1, nullptr, nullptr}, nullptr)));
      CHECK(to_floats(out.values()) == expected);
    }
  }
}

TEST_CASE("decode_attention of bytes is its formula, for every group of heads") {
  for (const std::uint32_t dim : {64U, 128U}) {
    for (std::uint32_t group = 1; group <= 8; group += group == 1 ? 5 : 1) {
      CAPTURE(dim);
      CAPTURE(group);
      std::vector<test_chunk> rows;
      for (const std::uint32_t context : {1U, 15U, 16U, 17U, 65U, 257U, 600U}) {
        rows.push_back({1, context - 1});
      }
      attention_case c({2 * group, 2, dim}, rows, group, 1.0F, bytes);
      CHECK(c.error_of(c.run()) <= tolerance);
    }
  }
  attention_case sharp({7, 1, 128}, {{1, 299}}, 3, 8.0F, bytes);
  CHECK(sharp.error_of(sharp.run()) <= tolerance);
  attention_case parts({7, 1, 64}, {{1, 999}, {1, 0}}, 1, 1.0F, bytes);
  for (const std::uint32_t part_pages : {1U, 3U, 16U, 63U}) {
    CHECK(parts.error_of(parts.run_decode(part_pages)) <= tolerance);
  }
}

TEST_CASE("prefill_attention of bytes is its formula") {
  for (const std::uint32_t rows : {2U, 63U, 65U, 129U}) {
    for (const std::uint32_t prior : {0U, 1U, 15U, 64U, 200U}) {
      CAPTURE(rows);
      CAPTURE(prior);
      attention_case c({7, 1, 64}, {{rows, prior}}, rows + prior, 1.0F, bytes);
      CHECK(c.error_of(c.run()) <= tolerance);
    }
  }
  attention_case wide({4, 2, 128}, {{70, 300}, {1, 40}, {3, 0}}, 1, 1.0F, bytes);
  CHECK(wide.error_of(wide.run()) <= tolerance);
  attention_case whole({7, 1, 64}, {{90, 0}}, 4, 1.0F, bytes);
  const auto expected = whole.run();
  attention_chunk chunk = whole.chunks()[0];
  chunk.first_row = chunk.first_position = 37;
  chunk.num_rows = 53;
  const auto got = whole.run({chunk}, lone_rows::as_tiles);
  CHECK(std::equal(expected.begin() + 37 * 7 * 64, expected.end(), got.begin() + 37 * 7 * 64));
}

}  // namespace
}  // namespace troupe::cuda
