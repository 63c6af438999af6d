// Tensor parallelism: ranks that share a GPU, and ranks that meet by NCCL.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr double bf16_distance = 2e-2;

cuda_runner_options nccl_options(std::uint32_t tp_size) {
  cuda_runner_options options = gpu_options(tp_size);
  options.ranks_share_gpu = false;
  return options;
}

// Rank 0 waits for a rank that never comes.
void check_abort(const cuda_runner_options& options) {
  auto ranks = make_model_runners(gpu_model(options));
  test_sequence sequence = prompt_in(0, 3);
  step_batch batch;
  batch.starts.push_back(sequence.start());
  append_chunk(batch, sequence, 3, true);
  auto waiting = std::async(std::launch::async, [&] { return ranks[0]->run(batch); });
  CHECK(waiting.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  ranks[0]->abort();
  CHECK_THROWS_AS(waiting.get(), device_error);
}

}  // namespace

TEST_CASE("2, 4 and 8 ranks that share a GPU compute what one computes") {
  fake_cuda::use_emulator();
  const test_sequence sequence = prompt_in(1, 21);
  test_replica cpu = cpu_replica();
  const auto wanted = logits_in_chunks(cpu, sequence, 21);
  for (const std::uint32_t tp_size : {2U, 4U, 8U}) {
    CAPTURE(tp_size);
    test_replica ranks = gpu_replica(gpu_options(tp_size));
    CHECK(distance(logits_in_chunks(ranks, sequence, 13), wanted) < bf16_distance);
    CHECK(greedy_tokens(ranks, prompt_in(2, 4), 5).size() == 5);
  }
}

TEST_CASE("ranks on GPUs of their own meet by NCCL, in graphs, too") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(4);
  const test_sequence sequence = prompt_in(1, 21);
  test_replica cpu = cpu_replica();
  const auto wanted = logits_in_chunks(cpu, sequence, 21);
  test_replica ranks = gpu_replica(nccl_options(4));
  CHECK(distance(logits_in_chunks(ranks, sequence, 13), wanted) < bf16_distance);
  fake_cuda::reset_counts();
  const auto tokens = greedy_tokens(ranks, prompt_in(2, 4), 5);
  CHECK(fake_cuda::count().graph_launches == 4 * 3);
  // What every rank went on with is what was sampled: as a prompt it gives the same tokens.
  test_sequence told = prompt_in(2, 4);
  told.tokens.insert(told.tokens.end(), tokens.begin(), tokens.end());
  const auto logits = logits_in_chunks(ranks, told, 9);
  const std::size_t width = logits.size() / told.tokens.size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto row = std::span(logits).subspan((i + 3) * width, 200);
    CHECK(std::ranges::max_element(row) - row.begin() == tokens[i]);
  }
  cuda_runner_options eager = nccl_options(4);
  eager.use_graphs = false;
  test_replica without_graphs = gpu_replica(eager);
  CHECK(greedy_tokens(without_graphs, prompt_in(2, 4), 5) == tokens);
  fake_cuda::set_gpus(1);
}

TEST_CASE("deterministic ranks add in rank order") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(2);
  cuda_runner_options options = nccl_options(2);
  options.deterministic = true;
  test_replica ranks = gpu_replica(options);
  options.ranks_share_gpu = true;
  test_replica sharing = gpu_replica(options);
  const test_sequence sequence = prompt_in(1, 21);
  CHECK(logits_in_chunks(ranks, sequence, 21) == logits_in_chunks(sharing, sequence, 21));
  fake_cuda::set_gpus(1);
}

TEST_CASE("an abort releases a rank whose peer never comes") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(2);
  SUBCASE("on a GPU they share") { check_abort(gpu_options(2)); }
  SUBCASE("by NCCL") { check_abort(nccl_options(2)); }
  CHECK(fake_cuda::num_live_objects() == 0);
  fake_cuda::set_gpus(1);
}

TEST_CASE("new runners wait for the memory of those before") {
  fake_cuda::use_emulator();
  const auto model = gpu_model(gpu_options(2));
  auto before = make_model_runners(model);
  const auto live = fake_cuda::num_live_objects();
  auto after = std::async(std::launch::async, [&] { return make_model_runners(model); });
  CHECK(after.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
  CHECK(fake_cuda::num_live_objects() == live);  // nothing was taken yet
  before.clear();
  CHECK(after.get().size() == 2);
}
