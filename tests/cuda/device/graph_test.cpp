// Decode steps as graphs, samples, and several steps in flight.
#include <doctest/doctest.h>

#include "cuda/cuda_device.hpp"
#include "gpu_model.hpp"
#include "model/rope.hpp"

using namespace troupe;
using namespace troupe::testing;

TEST_CASE("a graph gives what its operations give one by one, and is made once") {
  fake_cuda::use_emulator();
  cuda_runner_options options = gpu_options();
  test_replica with_graphs = gpu_replica(options);
  fake_cuda::reset_counts();
  const auto recorded = decode_together(with_graphs, 9);
  const fake_cuda::counts counted = fake_cuda::count();
  CHECK(counted.graph_launches >= 7);
  CHECK(counted.graph_instantiations <= 4);
  options.use_graphs = false;
  test_replica eager = gpu_replica(options);
  fake_cuda::reset_counts();
  CHECK(decode_together(eager, 9) == recorded);
  CHECK(fake_cuda::count().graph_launches == 0);
  for (const answer& one : recorded) CHECK(one.tokens.size() == 9);
}

TEST_CASE("a mask, a bias and a penalty reach the device") {
  fake_cuda::use_emulator();
  test_replica replica = gpu_replica(gpu_options());
  test_sequence sequence = prompt_in(0, 6);
  sampling_params params;
  params.temperature = 0;
  params.logit_bias = {{42, 1000.0F}, {43, 999.0F}};
  params.presence_penalty = 2.0F;
  step_batch batch;
  batch.starts.push_back(sequence.start(params));
  append_chunk(batch, sequence, 6, true);
  CHECK(replica.run(batch).samples.at(0).sampled.token == 42);
  batch = {};
  sequence.tokens.push_back(last_sampled);
  append_chunk(batch, sequence, 1, true);
  CHECK(replica.run(batch).samples.at(0).sampled.token == 43);  // 42 has been said
  batch = {};
  sequence.tokens.push_back(last_sampled);
  append_chunk(batch, sequence, 1, true);
  auto mask = std::make_shared<token_mask>(mask_words(200));
  mask->at(5) = 1U << 7U;
  batch.masks.push_back(mask);
  batch.chunks[0].mask_idx = 0;
  CHECK(replica.run(batch).samples.at(0).sampled.token == 5 * 32 + 7);
}

TEST_CASE("right guesses are taken, a wrong one ends the row") {
  fake_cuda::use_emulator();
  test_replica replica = gpu_replica(gpu_options());
  const auto told = greedy_tokens(replica, prompt_in(0, 9), 6);
  test_sequence sequence = prompt_in(1, 9);
  sequence.tokens = prompt_in(0, 9).tokens;
  sampling_params greedy;
  greedy.temperature = 0;
  step_batch batch;
  batch.starts.push_back(sequence.start(greedy));
  append_chunk(batch, sequence, 9, true);
  CHECK(replica.run(batch).samples.at(0).sampled.token == told[0]);
  batch = {};
  const token_id wrong = told[3] == 1 ? 2 : 1;
  sequence.tokens.insert(sequence.tokens.end(), {last_sampled, told[1], told[2], wrong, told[4]});
  append_chunk(batch, sequence, 5, true);
  batch.chunks[0].num_drafts = 4;
  const auto samples = replica.run(batch).samples;
  REQUIRE(samples.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(samples[i].sampled.token == told[i + 1]);
}

TEST_CASE("the next steps are enqueued before the first one is waited for") {
  fake_cuda::use_emulator();
  test_replica one_by_one = gpu_replica(gpu_options());
  const auto wanted = greedy_tokens(one_by_one, prompt_in(0, 3), 6);

  const model_config config = gpu_config();
  const shard_plan plan = value_of(plan_shard(config, 1, 0));
  const rope_table ropes = make_rope_table(config, rope_kind::plain, 256);
  cuda::cuda_device_options options;
  options.num_layers = config.num_hidden_layers;
  options.heads = {8, 2, 64};
  options.num_pages = options.max_num_rows = options.max_num_logit_rows = 64;
  options.max_num_seqs = 4;
  options.max_model_len = 256;
  options.num_tokens = 200;
  options.ropes = {rope_view{ropes.cos, ropes.sin}, rope_view{ropes.cos, ropes.sin}};
  cuda::cuda_device device(options);
  const auto model = load_device_model(device, config, plan, gpu_weights(config), nullptr);
  const auto ranks = cuda::make_single_communicator();
  forward pass(device, *ranks, config, plan, model, {64, 64});
  const test_sequence sequence = prompt_in(0, 3);
  sampling_params greedy;
  greedy.temperature = 0;
  device.start_slot(sequence.start(greedy));
  std::vector<token_id> got;
  const auto finish = [&] {
    for (const slot_sample& one : device.finish_step()) got.push_back(one.sampled.token);
  };
  for (std::uint32_t step = 0; step < 6; ++step) {
    const std::uint32_t rows = step == 0 ? 3 : 1;
    const std::uint32_t first = step == 0 ? 0 : step + 2;
    const std::vector<token_id> tokens =
        step == 0 ? sequence.tokens : std::vector<token_id>{last_sampled};
    const std::vector<slot_idx> slots(rows, 0);
    std::vector<std::uint32_t> positions;
    for (std::uint32_t i = 0; i < rows; ++i) positions.push_back(first + i);
    const std::vector<rope_kind> kinds(rows, rope_kind::plain);
    const std::vector<attention_chunk> chunks = {{0, rows, first, 0, 1}};
    const std::vector<page_idx> pages = {sequence.pages[0]};
    const std::vector<std::uint32_t> logit_rows = {rows - 1};
    if (step >= 3) finish();
    device.begin_step({tokens, slots, positions, kinds, chunks, pages, logit_rows});
    const auto logits = pass.run(true);
    const std::vector<sampled_row> sampled = {{}};
    device.sample(logits, sampled);
    device.share_samples(*ranks, sampled);
  }
  CHECK(got.size() == 3);
  while (got.size() < 6) finish();
  CHECK(got == wanted);
}
