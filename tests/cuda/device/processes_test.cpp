// Ranks of several processes: each has its own model, its own communicator and its own watch over
// them; only the bytes of a group go from one to the other.
#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <string>

#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

using runners = std::vector<std::unique_ptr<model_runner>>;

cuda_runner_options options_of(std::uint32_t first_rank, std::uint32_t num_local_ranks,
                               std::uint32_t tp_size) {
  cuda_runner_options options = gpu_options(tp_size);
  options.ranks_share_gpu = false;
  options.first_rank = first_rank;
  options.num_local_ranks = num_local_ranks;
  return options;
}

// What each process does once the group has come to it.
runners join(const cuda_runner_options& options, const std::string& carried) {
  gpu_group_id group{};
  REQUIRE(carried.size() == group.size());
  std::copy(carried.begin(), carried.end(), group.begin());
  return make_model_runners(gpu_model(options), &group);
}

std::string group_as_text() {
  const gpu_group_id group = value_of(make_gpu_group_id());
  return {group.begin(), group.end()};
}

// The ranks of all processes, in order.
runners join_all(const std::vector<cuda_runner_options>& processes) {
  const std::string group = group_as_text();
  std::vector<std::future<runners>> joining;
  for (const auto& one : processes) {
    joining.push_back(std::async(std::launch::async, [&, one] { return join(one, group); }));
  }
  runners all;
  for (auto& one : joining) {
    for (auto& rank : one.get()) all.push_back(std::move(rank));
  }
  return all;
}

step_batch first_step() {
  test_sequence sequence = prompt_in(0, 3);
  step_batch batch;
  batch.starts.push_back(sequence.start());
  append_chunk(batch, sequence, 3, true);
  return batch;
}

}  // namespace

TEST_CASE("ranks of several processes compute what those of one do") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(4);
  const test_sequence sequence = prompt_in(1, 21);
  test_replica together(join_all({options_of(0, 0, 4)}));
  const auto wanted = logits_in_chunks(together, sequence, 13);
  const auto tokens = greedy_tokens(together, prompt_in(2, 4), 5);
  for (const auto& processes :
       {std::vector{options_of(0, 2, 4), options_of(2, 2, 4)},
        std::vector{options_of(0, 1, 4), options_of(1, 2, 4), options_of(3, 1, 4)}}) {
    test_replica apart(join_all(processes));
    CHECK(logits_in_chunks(apart, sequence, 13) == wanted);
    CHECK(greedy_tokens(apart, prompt_in(2, 4), 5) == tokens);
  }
  fake_cuda::set_gpus(1);
}

TEST_CASE("a process needs GPUs for its own ranks only") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(1);
  auto ranks = join_all({options_of(0, 1, 2), options_of(1, 1, 2)});
  CHECK(ranks.size() == 2);
  const auto refusal_of = [](const cuda_runner_options& options) {
    const auto made = load_cuda_model(gpu_config(), gpu_weights(gpu_config()), options);
    return made ? std::string() : made.error().message;
  };
  CHECK(refusal_of(options_of(0, 2, 4)).find("needs 2 GPUs") != std::string::npos);
  CHECK(refusal_of(options_of(3, 1, 2)).find("ranks 3 to 3") != std::string::npos);
  cuda_runner_options sharing = options_of(0, 1, 2);
  sharing.ranks_share_gpu = true;
  CHECK(refusal_of(sharing).find("one process") != std::string::npos);
  CHECK_THROWS_AS(make_model_runners(gpu_model(options_of(0, 1, 2))), device_error);
}

TEST_CASE("a process whose peers never come stops waiting, and one that is told to stop does") {
  fake_cuda::use_emulator();
  cuda_runner_options alone = options_of(1, 1, 2);
  alone.meeting_ms = 50;
  CHECK_THROWS_WITH_AS(join(alone, group_as_text()), "The other ranks did not come in time.",
                       device_error);
  CHECK(fake_cuda::num_live_objects() == 0);
}

TEST_CASE("a meeting brings the group, and calling it off ends the wait for the others") {
  fake_cuda::use_emulator();
  cuda_runner_options alone = options_of(1, 1, 2);
  const auto make =
      value_of(make_cuda_rank_factory(gpu_config(), gpu_weights(gpu_config()), alone));
  rank_meeting meeting;
  CHECK_THROWS_WITH_AS(make(meeting), "A meeting of ranks on GPUs has no group.", device_error);
  meeting.device_group = group_as_text();
  auto waiting = std::async(std::launch::async, [&] { return make(meeting); });
  CHECK(waiting.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  *meeting.is_aborted = true;
  CHECK_THROWS_AS(waiting.get(), device_error);
  // Both, of another meeting.
  const auto first = value_of(
      make_cuda_rank_factory(gpu_config(), gpu_weights(gpu_config()), options_of(0, 1, 2)));
  rank_meeting second;
  second.device_group = group_as_text();
  auto joining = std::async(std::launch::async, [&] { return make(second); });
  CHECK(first(second).size() == 1);
  CHECK(joining.get().size() == 1);
}

TEST_CASE("each process aborts its own ranks: a step without its peers ends") {
  fake_cuda::use_emulator();
  auto ranks = join_all({options_of(0, 1, 2), options_of(1, 1, 2)});
  auto waiting = std::async(std::launch::async, [&] { return ranks[0]->run(first_step()); });
  CHECK(waiting.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  // The other process ends: this one is told by whoever watches it, not by its peer.
  ranks[1]->abort();
  CHECK(waiting.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  ranks[0]->abort();
  CHECK_THROWS_AS(waiting.get(), device_error);
  ranks.clear();
  CHECK(fake_cuda::num_live_objects() == 0);
  // A new group of the same processes works.
  CHECK(join_all({options_of(0, 1, 2), options_of(1, 1, 2)}).size() == 2);
}
