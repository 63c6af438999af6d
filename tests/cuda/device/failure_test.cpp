// Every call that can fail, failing: the step ends in a device_error or the model is refused, and
// everything is freed.
#include <doctest/doctest.h>

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

// Loads a model, makes its runners and answers one request: "" if all went well, or what failed, or
// what there was a warning of.
std::string live_once(cuda_runner_options options) {
  std::mutex lock;
  std::string warning;
  options.on_warning = [&](const std::string& what) {
    const std::lock_guard hold(lock);
    warning = what;
  };
  const model_config config = gpu_config(1);
  const auto model = load_cuda_model(config, gpu_weights(config), options);
  if (!model) return model.error().message;
  try {
    test_replica replica(make_model_runners(*model));
    greedy_tokens(replica, prompt_in(0, 3), 3);
  } catch (const device_error& error) {
    return error.what();
  }
  return warning;
}

// Of every kind of call the first one, the last one, and some between.
std::set<std::size_t> choose_calls(const std::vector<std::string>& calls) {
  std::map<std::string, std::vector<std::size_t>> of_kind;
  for (std::size_t n = 0; n < calls.size(); ++n) of_kind[calls[n]].push_back(n);
  std::set<std::size_t> out;
  for (const auto& [kind, places] : of_kind) {
    const std::size_t count = places.size();
    for (const std::size_t i : {std::size_t{0}, count / 3, 2 * count / 3, count - 1}) {
      out.insert(places[i]);
    }
  }
  return out;
}

void fail_every_call(const cuda_runner_options& options) {
  fake_cuda::fail_nothing();
  REQUIRE(live_once(options).empty());
  REQUIRE(fake_cuda::num_live_objects() == 0);
  const std::set<std::size_t> chosen = choose_calls(fake_cuda::calls());
  CHECK(chosen.size() > 50);
  for (const std::size_t n : chosen) {
    fake_cuda::use_emulator();
    fake_cuda::fail_call(n);
    const std::string why = live_once(options);
    const std::string failed = fake_cuda::failed_call();
    CAPTURE(n);
    CAPTURE(failed);
    // In a destructor nobody can be told; a rank may be done before its peer gets so far.
    const bool may_be_silent =
        failed.empty() || failed == "cudaStreamSynchronize" || failed == "cudaSetDevice";
    CHECK((may_be_silent || !why.empty()));
    REQUIRE(fake_cuda::num_live_objects() == 0);
  }
  fake_cuda::fail_nothing();
}

}  // namespace

TEST_CASE("one rank: whatever call fails, the request ends and nothing is left") {
  fake_cuda::use_emulator();
  fail_every_call(gpu_options());
}

TEST_CASE("weights of bytes: whatever call fails, the request ends and nothing is left") {
  fake_cuda::use_emulator();
  cuda_runner_options options = gpu_options();
  options.has_byte_weights = true;
  fail_every_call(options);
}

TEST_CASE("ranks by NCCL: whatever call fails, no rank waits for ever") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(2);
  cuda_runner_options options = gpu_options(2);
  options.ranks_share_gpu = false;
  fail_every_call(options);
  fake_cuda::set_gpus(1);
}
