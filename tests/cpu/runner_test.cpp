// Failures, memory and feedback of the real runner.
#include "replica.hpp"

#include "cpu/kernels.hpp"

#include <doctest/doctest.h>

#include <future>
#include <numeric>

using namespace troupe;
using namespace troupe::testing;

namespace {

model_config small_config() {
  model_config config;
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = 200;
  config.max_position_embeddings = 2048;
  return config;
}

std::shared_ptr<const cpu_model> small_model(std::uint32_t tp_size) {
  const model_config config = small_config();
  return value_of(load_cpu_model(config, value_of(make_dummy_weights(config, 1)),
                                 small_options(dtype::bfloat16, tp_size, 1)));
}

test_sequence sequence_in(slot_idx slot) {
  test_sequence sequence;
  sequence.slot = slot;
  sequence.tokens = {5, 6, static_cast<token_id>(7 + slot)};
  sequence.pages = {2 * slot, 2 * slot + 1};
  return sequence;
}

}  // namespace

TEST_CASE("masks may come when the logits are there, and a row without its mask does not sample") {
  for (const std::uint32_t ranks : {1U, 2U}) {
    CAPTURE(ranks);
    test_replica replica(small_model(ranks));
    check_late_masks(replica, sequence_in(0), sequence_in(1), 200);
  }
}

TEST_CASE("sequences that join and leave a batch get the tokens they get alone") {
  test_replica replica(small_model(2));
  const auto a = greedy_tokens(replica, sequence_in(0), 12);
  const auto b = greedy_tokens(replica, sequence_in(1), 6);
  test_sequence first = sequence_in(0);
  test_sequence second = sequence_in(1);
  sampling_params greedy;
  greedy.temperature = 0;
  std::vector<token_id> got_a;
  std::vector<token_id> got_b;
  for (int step = 0; step < 12; ++step) {
    step_batch batch;
    if (step == 0) batch.starts.push_back(first.start(greedy));
    if (step == 3) batch.starts.push_back(second.start(greedy));
    const auto left = static_cast<std::uint32_t>(first.tokens.size()) - first.num_done;
    const bool with_second = step >= 3 && step < 9;
    if (with_second) {
      append_chunk(batch, second,
                   static_cast<std::uint32_t>(second.tokens.size()) - second.num_done, true);
    }
    append_chunk(batch, first, left, true);
    const step_result result = replica.run(batch);
    REQUIRE(result.samples.size() == (with_second ? 2 : 1));
    CHECK(result.samples.back().slot == 0);
    got_a.push_back(result.samples.back().sampled.token);
    if (with_second) {
      got_b.push_back(result.samples.front().sampled.token);
      second.tokens.push_back(last_sampled);
    }
    first.tokens.push_back(last_sampled);
  }
  CHECK(got_a == a);
  CHECK(got_b == b);
}

TEST_CASE("a bad step is refused on every rank and abort releases a rank that waits") {
  auto ranks = make_model_runners(small_model(2));
  test_sequence sequence = sequence_in(0);
  step_batch batch;
  batch.starts.push_back(sequence.start());
  append_chunk(batch, sequence, 3, true);
  step_batch bad = batch;
  bad.page_table[0] = 1'000'000;
  CHECK_THROWS_AS(ranks[0]->run(bad), device_error);
  // Rank 0 is gone; rank 1 would wait for it for ever.
  CHECK_THROWS_AS(ranks[1]->run(batch), device_error);

  ranks = make_model_runners(small_model(2));
  auto waiting = std::async(std::launch::async, [&] { return ranks[1]->run(batch); });
  ranks[0]->abort();
  CHECK_THROWS_AS(waiting.get(), device_error);
}

TEST_CASE("the factory makes fresh runners from the same weights") {
  const model_config config = small_config();
  const auto make = value_of(make_cpu_runner_factory(
      config, value_of(make_dummy_weights(config, 1)), small_options(dtype::bfloat16, 1, 1)));
  test_sequence sequence = sequence_in(0);
  step_batch batch;
  batch.starts.push_back(sequence.start());
  append_chunk(batch, sequence, 3, true);
  std::vector<token_id> tokens;
  for (int i = 0; i < 2; ++i) {
    auto ranks = make();
    REQUIRE(ranks.size() == 1);
    tokens.push_back(ranks[0]->run(batch).samples.at(0).sampled.token);
  }
  CHECK(tokens[0] == tokens[1]);
}

TEST_CASE("memory is known before anything is allocated") {
  const model_config config = small_config();
  const cpu_runner_options options = small_options(dtype::bfloat16, 1, 1);
  const cpu_memory memory = value_of(measure_cpu_memory(config, options));
  // Untied head: embedding and head, 2 x 7 tiles x 32 words x 32 x 4 bytes; K and V, 2 layers.
  CHECK(memory.kv_page_bytes == 2 * 2 * 2 * 16 * 16 * 2);
  cpu_runner_options smaller_pages = options;
  smaller_pages.kv = kv_type::int8;
  // Bytes, and a scale of 2 bytes for each of the 16 tokens' keys and values.
  CHECK(value_of(measure_cpu_memory(config, smaller_pages)).kv_page_bytes ==
        2 * 2 * 2 * (16 * 16 + 16 * 2));
  const std::uint64_t table = 7 * 32 * 32 * 4;
  const std::uint64_t layer = (128 * 64 + 64 * 64 + 192 * 64 + 64 * 96) * 2 + (2 * 64 + 128) * 4;
  CHECK(memory.weight_bytes == 2 * table + 2 * layer + 64 * 4);
  CHECK(memory.rope_bytes == 1200 * 16 * 4);
  cpu_runner_options quantized = options;
  quantized.weights = weight_format::int8;
  const cpu_memory smaller = value_of(measure_cpu_memory(config, quantized));
  // One group of 128 in every row: 33 words for 32 outputs, however few inputs there are.
  const std::uint64_t tile = 33 * 32 * 4;
  const std::uint64_t tiles = 2 * 7 + 2 * (128 + 64 + 192 + 64) / 32;
  CHECK(smaller.weight_bytes == tiles * tile + 2 * (2 * 64 + 128) * 4 + 64 * 4);
  CHECK(smaller.activation_bytes ==
        memory.activation_bytes + 256 * kernels::quantized_stride(96) * 4);
  quantized.weights = weight_format::int4;
  const cpu_memory smallest = value_of(measure_cpu_memory(config, quantized));
  // Layers in 17 words for 32 outputs; embedding and head, 14 tiles, stay in eight bits.
  CHECK(smaller.weight_bytes - smallest.weight_bytes == (tiles - 14) * 16 * 32 * 4);
  CHECK(smallest.activation_bytes == smaller.activation_bytes);
}

TEST_CASE("a process packs, counts and runs the ranks that are its own") {
  const model_config config = small_config();
  const auto weights = value_of(make_dummy_weights(config, 1));
  cpu_runner_options options = small_options(dtype::bfloat16, 2, 1);
  const cpu_memory all = value_of(measure_cpu_memory(config, options));
  auto ranks = make_host_communicators(2);
  std::vector<std::unique_ptr<model_runner>> runners;
  options.num_local_ranks = 1;
  for (std::uint32_t rank = 0; rank < 2; ++rank) {
    options.first_rank = rank;
    const cpu_memory share = value_of(measure_cpu_memory(config, options));
    CHECK(2 * share.kv_page_bytes == all.kv_page_bytes);
    CHECK(share.weight_bytes < all.weight_bytes);
    const auto model = value_of(load_cpu_model(config, weights, options));
    CHECK_THROWS_AS(make_model_runners(model), device_error);
    std::vector<std::unique_ptr<host_communicator>> one;
    one.push_back(std::move(ranks[rank]));
    for (auto& made : make_model_runners(model, std::move(one))) runners.push_back(std::move(made));
  }
  test_replica apart(std::move(runners));
  test_replica together(small_model(2));
  CHECK(logits_in_chunks(apart, sequence_in(0), 2) ==
        logits_in_chunks(together, sequence_in(0), 2));
  options.first_rank = 2;
  const auto outside = measure_cpu_memory(config, options);
  REQUIRE_FALSE(outside);
  CHECK(outside.error().message == "There are 2 ranks; ranks 2 to 2 were asked for.");
}

TEST_CASE("what the CPU cannot do is refused with a sentence") {
  const model_config config = small_config();
  cpu_runner_options options = small_options(dtype::float16, 1, 1);
  CHECK(measure_cpu_memory(config, options).error().field == "dtype");
  options = small_options(dtype::float32, 3, 1);
  CHECK_FALSE(measure_cpu_memory(config, options));
  options = small_options(dtype::float32, 1, 1);
  options.num_tokens = 201;
  CHECK(measure_cpu_memory(config, options).error().field == "vocab_size");
  model_config odd = config;
  odd.head_dim = 24;
  CHECK(measure_cpu_memory(odd, small_options(dtype::float32, 1, 1)).error().field == "head_dim");
}
