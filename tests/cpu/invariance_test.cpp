// Scheduling never changes an answer, bit for bit: chunks, neighbours, threads and pages.
#include "replica.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>

using namespace troupe;
using namespace troupe::testing;

namespace {

// Odd on purpose: 3 query heads a group, features and vocabulary that fill no tile.
model_config odd_config() {
  model_config config;
  config.hidden_size = 72;
  config.intermediate_size = 104;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = 331;
  config.max_position_embeddings = 2048;
  return config;
}

std::shared_ptr<const cpu_model> odd_model(dtype type, std::uint32_t num_threads,
                                           weight_format weights = weight_format::plain,
                                           std::optional<kv_type> kv = std::nullopt) {
  const model_config config = odd_config();
  cpu_runner_options options = small_options(type, 1, num_threads);
  options.weights = weights;
  options.kv = kv;
  return value_of(load_cpu_model(config, value_of(make_dummy_weights(config, 5)), options));
}

test_sequence random_sequence(slot_idx slot, std::uint32_t length, std::uint32_t first_page) {
  test_sequence sequence;
  sequence.slot = slot;
  std::mt19937 random(slot + 17 * length);
  for (std::uint32_t i = 0; i < length; ++i) {
    sequence.tokens.push_back(static_cast<token_id>(random() % 331));
  }
  sequence.pages.resize(length / page_size_tokens + 2);
  std::iota(sequence.pages.begin(), sequence.pages.end(), first_page);
  return sequence;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The sequence's logits while others run beside it in every step.
std::vector<float> logits_beside_others(test_replica& replica, test_sequence sequence,
                                        std::vector<test_sequence> others) {
  std::vector<float> out;
  bool started = false;
  const auto total = static_cast<std::uint32_t>(sequence.tokens.size());
  while (sequence.num_done < total) {
    step_batch batch;
    if (!started) {
      batch.starts.push_back(sequence.start());
      for (const test_sequence& other : others) batch.starts.push_back(other.start());
      started = true;
    }
    append_chunk(batch, others[0], 5, false);
    const std::size_t first_row = batch.tokens.size();
    const std::uint32_t count = std::min(7U, total - sequence.num_done);
    append_chunk(batch, sequence, count, false);
    append_chunk(batch, others[1], 1, false);
    const auto rows = replica.run_for_logits(batch);
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(first_row * 331);
    out.insert(out.end(), first, first + static_cast<std::ptrdiff_t>(std::size_t{count} * 331));
  }
  return out;
}

void check_invariance(dtype type, weight_format weights = weight_format::plain,
                      std::optional<kv_type> kv = std::nullopt) {
  const auto model = odd_model(type, 1, weights, kv);
  test_replica replica(model);
  const test_sequence sequence = random_sequence(0, 150, 0);
  const auto expected = logits_in_chunks(replica, sequence, 64);
  REQUIRE(std::isfinite(expected.back()));
  for (std::uint32_t chunk_size : {1U, 3U, 16U, 37U}) {
    CAPTURE(chunk_size);
    CHECK(same_bits(logits_in_chunks(replica, sequence, chunk_size), expected));
  }
  test_sequence elsewhere = sequence;
  elsewhere.slot = 3;
  std::shuffle(elsewhere.pages.begin(), elsewhere.pages.end(), std::mt19937(1));
  CHECK(same_bits(logits_in_chunks(replica, elsewhere, 64), expected));
  CHECK(same_bits(logits_beside_others(replica, sequence,
                                       {random_sequence(1, 140, 40), random_sequence(2, 90, 90)}),
                  expected));
  test_replica threaded(odd_model(type, 2, weights, kv));
  CHECK(same_bits(logits_in_chunks(threaded, sequence, 64), expected));
  CHECK(same_bits(logits_in_chunks(threaded, sequence, 1), expected));
}

// One slot's tokens over `count` steps of at most 64 rows.
std::vector<token_id> sampled_tokens(test_replica& replica, test_sequence sequence,
                                     const slot_start& start, std::uint32_t count) {
  std::vector<token_id> out;
  step_batch batch;
  batch.starts.push_back(start);
  while (out.size() < count) {
    const auto left = static_cast<std::uint32_t>(sequence.tokens.size()) - sequence.num_done;
    append_chunk(batch, sequence, std::min(left, 64U), left <= 64);
    const step_result result = replica.run(batch);
    batch = {};
    if (left > 64) continue;
    out.push_back(result.samples.at(0).sampled.token);
    sequence.tokens.push_back(last_sampled);
  }
  return out;
}

}  // namespace

TEST_CASE("float32 logits do not depend on how a prompt is scheduled") {
  check_invariance(dtype::float32);
}

TEST_CASE("bfloat16 logits do not depend on how a prompt is scheduled") {
  check_invariance(dtype::bfloat16);
}

TEST_CASE("logits of integer weights do not depend on how a prompt is scheduled") {
  for (const weight_format weights : {weight_format::int8, weight_format::int4}) {
    check_invariance(dtype::float32, weights);
    check_invariance(dtype::bfloat16, weights);
  }
}

TEST_CASE("logits over int8 keys and values do not depend on how a prompt is scheduled") {
  check_invariance(dtype::float32, weight_format::plain, kv_type::int8);
  check_invariance(dtype::bfloat16, weight_format::plain, kv_type::int8);
  check_invariance(dtype::bfloat16, weight_format::int8, kv_type::int8);
}

TEST_CASE("logits over bfloat16 pages beside float32 weights do not, either") {
  check_invariance(dtype::float32, weight_format::plain, kv_type::bfloat16);
}

TEST_CASE("logits of integers are near float32's") {
  test_replica exact(odd_model(dtype::float32, 1));
  const test_sequence sequence = random_sequence(0, 150, 0);
  const auto expected = logits_in_chunks(exact, sequence, 64);
  const auto distance_of = [&](const std::shared_ptr<const cpu_model>& model) {
    test_replica other(model);
    const auto logits = logits_in_chunks(other, sequence, 64);
    REQUIRE(logits.size() == expected.size());
    double distance = 0;
    double size = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      distance += std::pow(double{expected[i]} - double{logits[i]}, 2);
      size += std::pow(double{expected[i]}, 2);
    }
    return std::sqrt(distance / size);
  };
  const double weights = distance_of(odd_model(dtype::bfloat16, 1, weight_format::int8));
  CHECK(weights <= 0.03);
  CHECK(weights > 0);
  const double halves = distance_of(odd_model(dtype::bfloat16, 1, weight_format::int4));
  CHECK(halves <= 0.3);
  CHECK(halves > weights);
  const double pages =
      distance_of(odd_model(dtype::float32, 1, weight_format::plain, kv_type::int8));
  CHECK(pages <= 0.01);
  CHECK(pages > 0);
}

namespace {

void check_preemption(kv_type kv) {
  test_replica replica(odd_model(dtype::bfloat16, 1, weight_format::plain, kv));
  test_sequence sequence = random_sequence(0, 20, 0);
  sequence.pages.resize(8);
  std::iota(sequence.pages.begin(), sequence.pages.end(), 0U);
  sampling_params params;
  params.temperature = 0.9F;
  params.top_p = 0.95F;
  params.repetition_penalty = 1.2F;
  params.frequency_penalty = 0.5F;
  params.min_tokens = 6;
  params.stop_token_ids = {3, 4, 5};
  params.seed = 99;
  const auto expected = sampled_tokens(replica, sequence, sequence.start(params), 30);
  CHECK(std::vector(expected).size() == 30);
  for (std::uint32_t cut : {1U, 5U, 17U}) {
    CAPTURE(cut);
    test_sequence again = sequence;
    again.slot = 2;
    again.tokens.insert(again.tokens.end(), expected.begin(), expected.begin() + cut);
    slot_start start = again.start(params);
    start.num_prompt_tokens = 20;
    const auto rest = sampled_tokens(replica, again, start, 30 - cut);
    CHECK(rest == std::vector(expected.begin() + cut, expected.end()));
  }
}

}  // namespace

TEST_CASE("a preempted sequence goes on as if nothing had happened") {
  check_preemption(kv_type::bfloat16);
  check_preemption(kv_type::int8);
}

TEST_CASE("ranks agree with one rank, padded heads included") {
  // 7 heads a group: eight ranks share two KV heads, four ranks each, one of them padded.
  model_config config = odd_config();
  config.num_attention_heads = 14;
  config.intermediate_size = 128;
  const model_weights weights = value_of(make_dummy_weights(config, 11));
  const test_sequence sequence = random_sequence(0, 70, 0);
  test_replica one(value_of(load_cpu_model(config, weights, small_options(dtype::float32, 1, 1))));
  const auto expected = logits_in_chunks(one, sequence, 64);
  const auto tokens = greedy_tokens(one, sequence, 5);
  for (std::uint32_t tp_size : {2U, 4U, 8U}) {
    CAPTURE(tp_size);
    test_replica many(
        value_of(load_cpu_model(config, weights, small_options(dtype::float32, tp_size, 1))));
    const auto logits = logits_in_chunks(many, sequence, 64);
    REQUIRE(logits.size() == expected.size());
    float largest = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      largest = std::max(largest, std::fabs(logits[i] - expected[i]));
    }
    CHECK(largest <= 1e-4F);
    CHECK(largest > 0.0F);  // sums in another order: equal bits would mean that nothing was split
    CHECK(greedy_tokens(many, sequence, 5) == tokens);
  }
}
