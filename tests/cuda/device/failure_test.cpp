// Every call that can fail, failing: the step ends in a device_error or the model is refused, and
// everything is freed.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

// Loads a model, makes its runners and answers one request: "" if all went well, or what failed.
std::string live_once(const cuda_runner_options& options) {
  const model_config config = gpu_config(1);
  const auto model = load_cuda_model(config, gpu_weights(config), options);
  if (!model) return model.error().message;
  try {
    test_replica replica(make_model_runners(*model));
    greedy_tokens(replica, prompt_in(0, 3), 3);
  } catch (const device_error& error) {
    return error.what();
  }
  return {};
}

// Fails call after call, `stride` apart, and every call of another kind at least once.
void fail_every_call(const cuda_runner_options& options, std::uint64_t stride) {
  fake_cuda::fail_nothing();
  REQUIRE(live_once(options).empty());
  REQUIRE(fake_cuda::num_live_objects() == 0);
  const std::uint64_t num_calls = fake_cuda::num_calls();
  std::set<std::string> failed;
  for (std::uint64_t n = 0; n < num_calls; n += n < stride ? 1 : stride) {
    fake_cuda::use_emulator();
    fake_cuda::fail_call(n);
    const std::string why = live_once(options);
    CAPTURE(n);
    CAPTURE(fake_cuda::failed_call());
    failed.insert(fake_cuda::failed_call());
    // In a destructor nobody can be told.
    const bool is_told = !why.empty() || fake_cuda::failed_call() == "cudaStreamSynchronize" ||
                         fake_cuda::failed_call() == "cudaSetDevice";
    CHECK(is_told);
    REQUIRE(fake_cuda::num_live_objects() == 0);
  }
  fake_cuda::fail_nothing();
  CHECK(failed.size() > 15);
}

}  // namespace

TEST_CASE("one rank: whatever call fails, the request ends and nothing is left") {
  fake_cuda::use_emulator();
  cuda_runner_options options = gpu_options();
  fail_every_call(options, 13);
}

TEST_CASE("ranks by NCCL: whatever call fails, no rank waits for ever") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(2);
  cuda_runner_options options = gpu_options(2);
  options.ranks_share_gpu = false;
  fail_every_call(options, 41);
  fake_cuda::set_gpus(1);
}
