#include "cuda/attention_case.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "core/batch.hpp"
#include "cpu/reference.hpp"
#include "cuda/page_bytes.hpp"

namespace troupe::cuda {

attention_case::attention_case(head_shape heads, std::vector<test_chunk> chunks, unsigned seed,
                               float query_scale, kv_format format)
    : heads_(heads), format_(format) {
  std::uint32_t num_pages = 3;  // that nobody has
  for (const test_chunk& c : chunks) {
    const std::uint32_t context = c.first_position + c.num_rows;
    const std::uint32_t pages = (context + page_size_tokens - 1) / page_size_tokens;
    chunks_.push_back({num_rows_, c.num_rows, c.first_position,
                       static_cast<std::uint32_t>(page_table_.size()), pages});
    for (std::uint32_t p = 0; p < pages; ++p) page_table_.push_back(num_pages++);
    num_rows_ += c.num_rows;
  }
  std::vector<std::uint32_t> order(num_pages);
  for (std::uint32_t p = 0; p < num_pages; ++p) order[p] = p;
  std::shuffle(order.begin(), order.end(), std::mt19937(seed));
  for (std::uint32_t& page : page_table_) page = order[page];
  num_pages_ = num_pages;
  draw_pages(num_pages, seed);

  std::mt19937 random(seed + 1);
  std::normal_distribution<float> normal;
  const std::size_t width = std::size_t{heads_.num_q_heads + 2 * heads_.num_kv_heads};
  qkv_.assign(num_rows_ * width * heads_.head_dim, std::numeric_limits<float>::quiet_NaN());
  for (std::uint32_t row = 0; row < num_rows_; ++row) {
    for (std::uint32_t i = 0; i < heads_.num_q_heads * heads_.head_dim; ++i) {
      const float query = normal(random) * query_scale;
      qkv_[row * width * heads_.head_dim + i] = to_float(to_bfloat16(query));
    }
  }
  qkv_memory_ = device_array<bf16>(to_bf16(qkv_));
  table_memory_ = device_array<std::uint32_t>(page_table_);
  out_ = device_array<bf16>(std::size_t{num_rows_} * heads_.num_q_heads * heads_.head_dim);
}

void attention_case::draw_pages(std::uint32_t num_pages, unsigned seed) {
  const std::size_t page_size =
      std::size_t{heads_.num_kv_heads} * page_size_tokens * heads_.head_dim;
  keys_.assign(num_pages * page_size, std::numeric_limits<float>::quiet_NaN());
  values_ = keys_;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto draw = [&] { return to_float(to_bfloat16(normal(random))); };
  for (std::uint32_t c = 0; c < chunks_.size(); ++c) {
    for (std::uint32_t t = 0; t < chunks_[c].first_position + chunks_[c].num_rows; ++t) {
      for (std::uint32_t h = 0; h < heads_.num_kv_heads; ++h) {
        for (std::uint32_t i = 0; i < heads_.head_dim; ++i) {
          keys_[line(c, t, h) + i] = draw();
          values_[line(c, t, h) + i] = draw();
        }
      }
    }
  }
  const auto keys = to_pages(format_, keys_, heads_.head_dim);
  const auto values = to_pages(format_, values_, heads_.head_dim);
  keys_ = from_pages(format_, keys, heads_.head_dim);
  values_ = from_pages(format_, values, heads_.head_dim);
  key_memory_ = device_array<std::byte>(keys);
  value_memory_ = device_array<std::byte>(values);
}

std::size_t attention_case::line(std::uint32_t chunk_idx, std::uint32_t position,
                                 std::uint32_t kv_head) const {
  const std::size_t page =
      page_table_[chunks_[chunk_idx].first_page_idx + position / page_size_tokens];
  return ((page * heads_.num_kv_heads + kv_head) * page_size_tokens + position % page_size_tokens) *
         heads_.head_dim;
}

attention_args attention_case::args() {
  attention_args args;
  args.qkv = qkv_memory_.data();
  args.qkv_stride = (heads_.num_q_heads + 2 * heads_.num_kv_heads) * heads_.head_dim;
  args.pages = {key_memory_.data(), value_memory_.data(), format_, num_pages_};
  args.page_table = table_memory_.data();
  args.out = out_.data();
  args.heads = heads_;
  return args;
}

namespace {

void run_parts(attention_case& c, const attention_plan& plan) {
  device_array<decode_part> parts(plan.parts);
  device_array<decode_row> rows(plan.rows);
  const std::size_t partials = plan.parts.size() * c.heads().num_q_heads;
  device_array<float> sums(partials * c.heads().head_dim);
  device_array<float> scale(partials * 2);
  REQUIRE(is_fine(decode_attention(
      {c.args(), parts.data(), rows.data(), static_cast<std::uint32_t>(parts.size()),
       static_cast<std::uint32_t>(rows.size()), sums.data(), scale.data()},
      nullptr)));
  CHECK((sums.is_whole() && scale.is_whole() && c.is_whole()));
}

}  // namespace

std::vector<float> attention_case::run(const std::vector<attention_chunk>& chunks, lone_rows lone) {
  std::ranges::fill(out_.values(), bf16{0xFFFF});
  attention_plan plan;
  plan_attention(chunks, group(), plan, lone);
  run_parts(*this, plan);
  device_array<prefill_tile> tiles(plan.tiles);
  REQUIRE(
      is_fine(prefill_({args(), tiles.data(), static_cast<std::uint32_t>(tiles.size())}, nullptr)));
  CHECK(is_whole());
  return out();
}

std::vector<float> attention_case::run_decode(std::uint32_t part_pages) {
  attention_plan plan;
  for (const attention_chunk& c : chunks_) {
    const std::uint32_t num_parts = (c.num_pages + part_pages - 1) / part_pages;
    plan.rows.push_back({c.first_row, static_cast<std::uint32_t>(plan.parts.size()), num_parts});
    for (std::uint32_t p = 0; p < c.num_pages; p += part_pages) {
      plan.parts.push_back({c.first_row, c.first_page_idx, p, std::min(part_pages, c.num_pages - p),
                            c.first_position + 1, num_parts});
    }
  }
  run_parts(*this, plan);
  return out();
}

double attention_case::error_of_head(const std::vector<float>& got, std::uint32_t chunk_idx,
                                     std::uint32_t row, std::uint32_t head) const {
  const std::size_t dim = heads_.head_dim;
  const attention_chunk& chunk = chunks_[chunk_idx];
  const std::uint32_t num_keys = chunk.first_position + row + 1;
  std::vector<float> keys(num_keys * dim);
  std::vector<float> values(num_keys * dim);
  for (std::uint32_t t = 0; t < num_keys; ++t) {
    const std::size_t from = line(chunk_idx, t, head / group());
    std::copy_n(keys_.begin() + static_cast<std::ptrdiff_t>(from), dim, &keys[t * dim]);
    std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(from), dim, &values[t * dim]);
  }
  const std::size_t width = heads_.num_q_heads + 2 * heads_.num_kv_heads;
  const std::size_t step_row = chunk.first_row + row;
  const auto query = std::span(qkv_).subspan((step_row * width + head) * dim, dim);
  const auto expected =
      reference::attention(query, keys, values, 1.0 / std::sqrt(static_cast<double>(dim)));
  double largest = 0;
  double error = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    const double x = got[(step_row * heads_.num_q_heads + head) * dim + i];
    largest = std::max(largest, std::abs(expected[i]));
    if (!(std::abs(x - expected[i]) <= error)) error = std::abs(x - expected[i]);
    if (std::isnan(error)) return error;
  }
  return error / largest;
}

double attention_case::error_of(const std::vector<float>& got) const {
  double worst = 0;
  for (std::uint32_t c = 0; c < chunks_.size(); ++c) {
    // Of a long chunk the first and last rows and some between: the reference takes long.
    const std::uint32_t rows = chunks_[c].num_rows;
    for (std::uint32_t row = 0; row < rows; row += row < 3 || row + 4 > rows ? 1 : 7) {
      for (std::uint32_t head = 0; head < heads_.num_q_heads; ++head) {
        const double error = error_of_head(got, c, row, head);
        if (!(error <= worst)) worst = error;
      }
    }
  }
  return worst;
}

}  // namespace troupe::cuda
