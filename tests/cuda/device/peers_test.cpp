// Ranks on GPUs that reach each other's memory: sums by one kernel on each, everything else by
// NCCL.
#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <utility>

#include "cuda/gpu_communicator.hpp"
#include "cuda/owners.hpp"
#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;
using cuda::bf16;

namespace {

// So many GPUs; afterwards one, as other tests want it.
struct gpus {
  explicit gpus(int count, bool reach_each_other = true) {
    fake_cuda::use_emulator();
    fake_cuda::set_gpus(count);
    fake_cuda::set_peer_access(reach_each_other);
  }
  ~gpus() {
    fake_cuda::set_gpus(1);
    fake_cuda::set_peer_access(false);
  }
};

cuda_runner_options peer_options(std::uint32_t tp_size) {
  cuda_runner_options options = gpu_options(tp_size);
  options.ranks_share_gpu = false;
  options.peer_sums = true;
  return options;
}

using communicators = std::vector<std::unique_ptr<cuda::gpu_communicator>>;

communicators join(std::uint32_t size, const cuda::peer_sums& sums) {
  cuda::nccl_options options{.group = cuda::make_group_id(),
                             .size = size,
                             .rank_order = true,
                             .max_elements = sums.max_elements};
  std::vector<std::future<std::unique_ptr<cuda::gpu_communicator>>> joining;
  for (std::uint32_t r = 0; r < size; ++r) {
    options.rank = r;
    options.device_index = static_cast<int>(r);
    joining.push_back(std::async(std::launch::async,
                                 [options] { return make_nccl_communicator(options, 10'000); }));
  }
  communicators out;
  for (auto& one : joining) out.push_back(one.get());
  return make_peer_communicators(std::move(out), sums);
}

// Each rank's numbers become the sum of all; how many collectives of NCCL that took.
std::uint64_t add(const communicators& ranks, std::uint64_t count, float scale) {
  fake_cuda::reset_counts();
  std::vector<cuda::stream_owner> streams;
  std::vector<cuda::device_buffer> buffers;
  std::vector<float> wanted(count);
  for (std::uint32_t r = 0; r < ranks.size(); ++r) {
    cuda::use_gpu(static_cast<int>(r));
    streams.push_back(cuda::make_stream());
    buffers.push_back(cuda::make_device_buffer(count * sizeof(bf16)));
    std::vector<bf16> values;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto number = static_cast<float>((i * 7 + r * 13) % 101) * (r % 2 == 0 ? scale : 0.3F);
      values.push_back(to_bfloat16(number));
      wanted[i] += to_float(values[i]);
    }
    cuda::copy_to_device(buffers[r].data(), values.data(), count * sizeof(bf16), streams[r].get());
    ranks[r]->all_reduce(buffers[r].as<bf16>(), count, streams[r].get());
  }
  for (std::uint32_t r = 0; r < ranks.size(); ++r) {
    std::vector<bf16> got(count);
    cuda::copy_to_host(got.data(), buffers[r].data(), count * sizeof(bf16), streams[r].get());
    cuda::synchronize(streams[r].get());
    bool is_equal = true;
    for (std::uint64_t i = 0; i < count; ++i) {
      is_equal = is_equal && to_bfloat16(wanted[i]).bits == got[i].bits;
    }
    CHECK(is_equal);
  }
  return fake_cuda::count().collectives;
}

}  // namespace

TEST_CASE("peers add in rank order, in one shot or two, and leave long sums to NCCL") {
  for (const std::uint32_t size : {2U, 4U}) {
    CAPTURE(size);
    const gpus machine(static_cast<int>(size));
    const auto ranks = join(size, {.width = 1024, .max_elements = 400 * 1024});
    for (const std::uint64_t rows : {1U, 2U, 33U, 200U, 1U, 400U, 40U}) {
      CAPTURE(rows);
      CHECK(add(ranks, rows * 1024, static_cast<float>(rows)) == 0);
    }
    // No whole rows.
    CHECK(add(ranks, 1032, 100) > 0);
  }
  {
    const gpus machine(2);
    const auto ranks = join(2, {.width = 1024, .max_elements = 5000 * 1024});
    CHECK(add(ranks, cuda::two_shot_bytes / sizeof(bf16) + 1024, 100) > 0);
  }
  CHECK(fake_cuda::num_live_objects() == 0);
}

TEST_CASE("GPUs that do not reach each other meet by NCCL alone") {
  const gpus machine(2, false);
  const auto ranks = join(2, {.width = 1024, .max_elements = 4096});
  CHECK(add(ranks, 1024, 1) > 0);
}

TEST_CASE("a second group of the same GPUs finds their access open") {
  const gpus machine(2);
  for (int turn = 0; turn < 2; ++turn) {
    CHECK(add(join(2, {.width = 1024, .max_elements = 4096}), 1024, 1) == 0);
  }
}

TEST_CASE("ranks with peer access compute what ranks by NCCL do, in graphs, too") {
  const gpus machine(4);
  const test_sequence sequence = prompt_in(1, 21);
  cuda_runner_options options = peer_options(4);
  options.deterministic = true;
  test_replica peers = gpu_replica(options);
  options.peer_sums = false;
  test_replica by_nccl = gpu_replica(options);
  CHECK(logits_in_chunks(peers, sequence, 13) == logits_in_chunks(by_nccl, sequence, 13));
  fake_cuda::reset_counts();
  const auto tokens = greedy_tokens(peers, prompt_in(2, 4), 5);
  CHECK(fake_cuda::count().graph_launches == 4 * 3);
  CHECK(greedy_tokens(by_nccl, prompt_in(2, 4), 5) == tokens);
}

TEST_CASE("an abort releases a kernel whose peer never comes") {
  {
    const gpus machine(2);
    auto ranks = make_model_runners(gpu_model(peer_options(2)));
    test_sequence sequence = prompt_in(0, 3);
    step_batch batch;
    batch.starts.push_back(sequence.start());
    append_chunk(batch, sequence, 3, true);
    auto waiting = std::async(std::launch::async, [&] { return ranks[0]->run(batch); });
    CHECK(waiting.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
    SUBCASE("its own") { ranks[0]->abort(); }
    SUBCASE("the peer's, which has failed") { ranks[1]->abort(); }
    SUBCASE("the peer goes") { ranks.pop_back(); }
    CHECK_THROWS_AS(waiting.get(), device_error);
  }
  CHECK(fake_cuda::num_live_objects() == 0);
}

TEST_CASE("a call of peer access that fails is a device's failure, and leaves nothing behind") {
  const gpus machine(2);
  for (const char* call : {"cudaDeviceCanAccessPeer", "cudaDeviceEnablePeerAccess"}) {
    CAPTURE(call);
    const auto model = gpu_model(peer_options(2));
    const auto before = fake_cuda::num_live_objects();
    fake_cuda::fail_calls_of(call, 1);
    CHECK_THROWS_AS(make_model_runners(model), device_error);
    fake_cuda::fail_nothing();
    CHECK(fake_cuda::num_live_objects() == before);
    CHECK(make_model_runners(model).size() == 2);
  }
}
