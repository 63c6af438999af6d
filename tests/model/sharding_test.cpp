#include "model/sharding.hpp"

#include "model/published_shapes.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <map>
#include <string>

using namespace troupe;

namespace {

shard_plan plan_of(const model_config& config, std::uint32_t tp_size, std::uint32_t rank) {
  auto plan = plan_shard(config, tp_size, rank);
  REQUIRE_MESSAGE(plan, plan.error().message);
  return *plan;
}

// Local query heads with padding and KV heads, of rank 0.
std::pair<std::size_t, std::size_t> local_heads(const model_config& config, std::uint32_t tp_size) {
  const shard_plan plan = plan_of(config, tp_size, 0);
  return {plan.q_heads.size(), plan.kv_heads.size()};
}

void check_covers_once(const model_config& config, std::uint32_t tp_size) {
  const std::uint32_t group = config.num_attention_heads / config.num_key_value_heads;
  std::map<std::uint32_t, int> seen;
  std::uint32_t next_feature = 0;
  std::uint32_t next_token = 0;
  const shard_plan first = plan_of(config, tp_size, 0);
  for (std::uint32_t rank = 0; rank < tp_size; ++rank) {
    const shard_plan plan = plan_of(config, tp_size, rank);
    CHECK(plan.q_heads.size() == first.q_heads.size());
    CHECK(plan.kv_heads.size() == first.kv_heads.size());
    CHECK(plan.intermediate.size() == first.intermediate.size());
    CHECK(plan.vocab_per_rank == first.vocab_per_rank);
    REQUIRE(plan.q_heads.size() % plan.kv_heads.size() == 0);
    const std::size_t local_group = plan.q_heads.size() / plan.kv_heads.size();
    bool has_work = false;
    for (std::size_t h = 0; h < plan.q_heads.size(); ++h) {
      if (!plan.q_heads[h]) continue;
      has_work = true;
      ++seen[*plan.q_heads[h]];
      CHECK(plan.kv_heads[h / local_group] == *plan.q_heads[h] / group);
    }
    CHECK(has_work);
    CHECK(plan.intermediate.begin == next_feature);
    CHECK(plan.vocab.begin == next_token);
    next_feature = plan.intermediate.end;
    next_token = plan.vocab.end;
  }
  CHECK(next_feature == config.intermediate_size);
  CHECK(next_token == config.vocab_size);
  REQUIRE(seen.size() == config.num_attention_heads);
  for (const auto& [head, times] : seen) CHECK_MESSAGE(times == 1, "head " << head);
}

// A layer whose every element tells where it stood: tensor * 1e5 + row * 1e2 + column, exact in
// float32.
struct told_weights {
  std::deque<std::vector<float>> storage;
  host_tensor make(int tensor, std::uint32_t rows, std::uint32_t cols, bool vector = false) {
    auto& data = storage.emplace_back();
    for (std::uint32_t r = 0; r < rows; ++r) {
      for (std::uint32_t c = 0; c < cols; ++c) {
        data.push_back(static_cast<float>(tensor) * 1e5F + static_cast<float>(r * 100 + c));
      }
    }
    host_tensor out{dtype::float32, {rows}, std::as_bytes(std::span(data))};
    if (!vector) out.shape.push_back(cols);
    return out;
  }
};

float told(int tensor, std::uint32_t row, std::uint32_t col = 0) {
  return static_cast<float>(tensor) * 1e5F + static_cast<float>(row * 100 + col);
}

enum { q = 1, k, v, q_bias, k_bias, v_bias, o, gate, up, down, head };

// 14 query heads over 2 KV heads of 2 features: as 0.5B, but small.
model_config small_config() {
  model_config config;
  config.hidden_size = 28;
  config.intermediate_size = 16;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 14;
  config.num_key_value_heads = 2;
  config.head_dim = 2;
  config.vocab_size = 13;
  return config;
}

layer_weights told_layer(told_weights& told, const model_config& c) {
  const std::uint32_t q_size = c.num_attention_heads * c.head_dim;
  const std::uint32_t kv_size = c.num_key_value_heads * c.head_dim;
  layer_weights layer;
  layer.q = told.make(q, q_size, c.hidden_size);
  layer.k = told.make(k, kv_size, c.hidden_size);
  layer.v = told.make(v, kv_size, c.hidden_size);
  layer.q_bias = told.make(q_bias, q_size, 1, true);
  layer.k_bias = told.make(k_bias, kv_size, 1, true);
  layer.v_bias = told.make(v_bias, kv_size, 1, true);
  layer.o = told.make(o, c.hidden_size, q_size);
  layer.gate = told.make(gate, c.intermediate_size, c.hidden_size);
  layer.up = told.make(up, c.intermediate_size, c.hidden_size);
  layer.down = told.make(down, c.hidden_size, c.intermediate_size);
  return layer;
}

std::vector<float> rows_of(const linear_slice& slice) {
  std::vector<float> out(std::size_t{slice.num_rows()} * slice.num_cols());
  slice.copy_rows(0, slice.num_rows(), out);
  return out;
}

}  // namespace

TEST_CASE("heads per rank follow the table of tensor parallel sizes") {
  std::map<std::string, model_config> model;
  for (const auto& shape : published_shapes) model[shape.name] = config_of(shape);
  using heads = std::pair<std::size_t, std::size_t>;
  CHECK(local_heads(model["7B"], 1) == heads{28, 4});
  CHECK(local_heads(model["7B"], 2) == heads{14, 2});
  CHECK(local_heads(model["7B"], 4) == heads{7, 1});
  CHECK(local_heads(model["7B"], 8) == heads{4, 1});
  CHECK(local_heads(model["0.5B"], 2) == heads{7, 1});
  CHECK(local_heads(model["0.5B"], 4) == heads{4, 1});
  CHECK(local_heads(model["0.5B"], 8) == heads{2, 1});
  CHECK(local_heads(model["1.5B"], 2) == heads{6, 1});
  CHECK(local_heads(model["1.5B"], 4) == heads{3, 1});
  CHECK(local_heads(model["3B"], 8) == heads{2, 1});
  CHECK(local_heads(model["14B"], 2) == heads{20, 4});
  CHECK(local_heads(model["14B"], 4) == heads{10, 2});
  CHECK(local_heads(model["32B"], 8) == heads{5, 1});
  CHECK(local_heads(model["72B"], 8) == heads{8, 1});
}

TEST_CASE("the ranks together compute every head, feature and token once, in equal shapes") {
  for (const auto& shape : published_shapes) {
    for (std::uint32_t tp_size : {1U, 2U, 4U, 8U}) {
      CAPTURE(shape.name);
      CAPTURE(tp_size);
      check_covers_once(config_of(shape), tp_size);
    }
  }
}

TEST_CASE("a tensor parallel size that cannot work is refused with its reason") {
  const model_config config = config_of(published_shapes[3]);
  const auto message = [&](std::uint32_t tp_size, std::uint32_t rank) {
    auto plan = plan_shard(config, tp_size, rank);
    REQUIRE_FALSE(plan);
    return plan.error().message;
  };
  CHECK(message(0, 0).find("at least 1") != std::string::npos);
  CHECK(message(3, 0).find("neither divides the model's 4 key-value heads") != std::string::npos);
  CHECK(message(32, 0).find("28 attention heads") != std::string::npos);
  CHECK(message(12, 0).find("intermediate_size 18944") != std::string::npos);
  CHECK(message(2, 2).find("Rank 2 does not exist") != std::string::npos);
}

TEST_CASE("a vocabulary that does not divide is padded on the last ranks") {
  const model_config config = small_config();
  CHECK(plan_of(config, 8, 0).vocab == index_range{0, 2});
  CHECK(plan_of(config, 8, 6).vocab == index_range{12, 13});
  CHECK(plan_of(config, 8, 7).vocab == index_range{13, 13});
  CHECK(plan_of(config, 8, 7).vocab_per_rank == 2);
}

TEST_CASE("slices gather the rank's rows and columns and fill padding heads with zeros") {
  const model_config config = small_config();
  told_weights weights;
  const layer_weights layer = told_layer(weights, config);
  const shard_plan plan = plan_of(config, 4, 3);  // the second half of group 1: heads 11, 12, 13
  REQUIRE(plan.q_heads.size() == 4);
  CHECK(plan.q_heads[0] == 11U);
  CHECK_FALSE(plan.q_heads[3]);

  const linear_slice qkv = qkv_slice(plan, layer);
  REQUIRE(qkv.num_rows() == 4 * 2 + 2 + 2);
  REQUIRE(qkv.num_cols() == 28);
  const std::vector<float> qkv_rows = rows_of(qkv);
  CHECK(qkv_rows[0 * 28 + 5] == told(q, 22, 5));
  CHECK(qkv_rows[5 * 28 + 27] == told(q, 27, 27));
  CHECK(qkv_rows[6 * 28] == 0.0F);
  CHECK(qkv_rows[8 * 28 + 1] == told(k, 2, 1));
  CHECK(qkv_rows[11 * 28 + 1] == told(v, 3, 1));
  std::vector<float> bias(qkv.num_rows());
  REQUIRE(qkv.has_bias());
  qkv.copy_bias(bias);
  CHECK(bias[1] == told(q_bias, 23));
  CHECK(bias[7] == 0.0F);
  CHECK(bias[9] == told(k_bias, 3));
  CHECK(bias[10] == told(v_bias, 2));

  const std::vector<float> o_rows = rows_of(o_slice(plan, layer));
  REQUIRE(o_rows.size() == 28 * 8);
  CHECK(o_rows[3 * 8 + 1] == told(o, 3, 23));
  CHECK(o_rows[3 * 8 + 6] == 0.0F);

  const std::vector<float> gate_up_rows = rows_of(gate_up_slice(plan, layer));
  REQUIRE(gate_up_rows.size() == 8 * 28);
  CHECK(gate_up_rows[1 * 28 + 2] == told(gate, 13, 2));
  CHECK(gate_up_rows[5 * 28 + 2] == told(up, 13, 2));

  const std::vector<float> down_rows = rows_of(down_slice(plan, layer));
  REQUIRE(down_rows.size() == 28 * 4);
  CHECK(down_rows[27 * 4 + 3] == told(down, 27, 15));
  CHECK_FALSE(down_slice(plan, layer).has_bias());

  model_weights model;
  model.lm_head = weights.make(head, config.vocab_size, config.hidden_size);
  const linear_slice lm_head = lm_head_slice(plan, model);
  REQUIRE(lm_head.num_rows() == 4);
  std::vector<float> two(2 * 28);
  lm_head.copy_rows(0, 2, two);
  CHECK(two[0] == told(head, 12, 0));
  CHECK(two[28] == 0.0F);
}

TEST_CASE("rows leave in bfloat16 as they leave in float32, rounded to even") {
  const std::vector<float> values = {1.0F, 1.00390625F, 1.01171875F, -3.0F};  // two ties
  const host_tensor weight{dtype::float32, {2, 2}, std::as_bytes(std::span(values))};
  const linear_slice slice({{2, 0, weight, std::nullopt}}, {{2, 0}});
  std::vector<bfloat16> out(4);
  slice.copy_rows(0, 2, out);
  CHECK(to_float(out[0]) == 1.0F);
  CHECK(to_float(out[1]) == 1.0F);
  CHECK(to_float(out[2]) == 1.015625F);
  CHECK(to_float(out[3]) == -3.0F);
}

TEST_CASE("a shard's elements and its KV page have the published sizes") {
  const model_config large = config_of(published_shapes[3]);
  const shard_plan whole = plan_of(large, 1, 0);
  CHECK(count_shard_elements(large, whole) == 7'615'616'512ULL);
  CHECK(kv_page_bytes(large, whole, 2) == 917'504ULL);
  const model_config small = config_of(published_shapes[0]);
  CHECK(count_shard_elements(small, plan_of(small, 1, 0)) == 494'032'768ULL);
  CHECK(kv_page_bytes(small, plan_of(small, 1, 0), 2) == 16 * 12'288ULL);
}
