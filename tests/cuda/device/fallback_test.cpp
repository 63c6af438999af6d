// Graphs that cannot be made: the same answers, one warning for each, and no step that fails.
#include <doctest/doctest.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gpu_model.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr int num_tokens = 9;
constexpr const char* graph_calls[] = {"cudaStreamBeginCapture", "cudaStreamEndCapture",
                                       "cudaGraphInstantiate", "cudaGraphUpload",
                                       "cudaGraphLaunch"};

// A replica and what it warned of.
class warned_replica {
 public:
  explicit warned_replica(cuda_runner_options options) {
    options.on_warning = [this](const std::string& what) {
      const std::lock_guard hold(lock_);
      warnings_.push_back(what);
    };
    replica_.emplace(make_model_runners(gpu_model(options)));
  }
  test_replica& get() { return *replica_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::mutex lock_;
  std::vector<std::string> warnings_;
  std::optional<test_replica> replica_;
};

std::vector<answer> answers_without_graphs(cuda_runner_options options) {
  fake_cuda::fail_nothing();
  options.use_graphs = false;
  test_replica eager = gpu_replica(options);
  return decode_together(eager, num_tokens);
}

bool names_call(const std::vector<std::string>& warnings, const std::string& call) {
  return std::ranges::all_of(warnings, [&](const std::string& one) {
    return one.find(call) != std::string::npos && one.find("kernel by kernel") != std::string::npos;
  });
}

cuda_runner_options two_gpus() {
  cuda_runner_options options = gpu_options(2);
  options.ranks_share_gpu = false;
  return options;
}

}  // namespace

TEST_CASE("a graph that cannot be made, or launched, costs a warning and no answer") {
  fake_cuda::use_emulator();
  const auto wanted = answers_without_graphs(gpu_options());
  for (const char* call : graph_calls) {
    CAPTURE(call);
    warned_replica one(gpu_options());
    fake_cuda::reset_counts();
    fake_cuda::fail_calls_of(call, 1);
    CHECK(decode_together(one.get(), num_tokens) == wanted);
    CHECK(fake_cuda::failed_call() == call);
    REQUIRE(one.warnings().size() == 1);
    CHECK(names_call(one.warnings(), call));
    // Steps of other sizes have theirs.
    CHECK(fake_cuda::count().graph_launches > 0);
  }
  fake_cuda::fail_nothing();
  CHECK(fake_cuda::num_live_objects() == 0);
}

TEST_CASE("where no graph can be made there is one warning for each size of step") {
  fake_cuda::use_emulator();
  const auto wanted = answers_without_graphs(gpu_options());
  for (const char* call : graph_calls) {
    CAPTURE(call);
    warned_replica one(gpu_options());
    fake_cuda::reset_counts();
    fake_cuda::fail_calls_of(call, ~0ULL);
    CHECK(decode_together(one.get(), num_tokens) == wanted);
    const auto sizes = one.warnings().size();
    CHECK(decode_together(one.get(), num_tokens) == wanted);
    CHECK(one.warnings().size() == sizes);
    CHECK(sizes >= 2);
    CHECK(names_call(one.warnings(), call));
    CHECK(fake_cuda::count().graph_launches == 0);
  }
  fake_cuda::fail_nothing();
}

TEST_CASE("a graph that was launched before and cannot be any more is done without") {
  fake_cuda::use_emulator();
  const auto wanted = answers_without_graphs(gpu_options());
  warned_replica one(gpu_options());
  fake_cuda::fail_calls_of("cudaGraphLaunch", 1, 3);
  CHECK(decode_together(one.get(), num_tokens) == wanted);
  CHECK(fake_cuda::failed_call() == "cudaGraphLaunch");
  CHECK(one.warnings().size() == 1);
  fake_cuda::fail_nothing();
}

TEST_CASE("an operation that cannot be recorded is enqueued instead, with all of its step") {
  fake_cuda::use_emulator();
  const auto wanted = answers_without_graphs(gpu_options());
  // Which calls come while the first graph is recorded.
  warned_replica before(gpu_options());
  fake_cuda::fail_nothing();
  decode_together(before.get(), num_tokens);
  const auto calls = fake_cuda::calls();
  const auto place = [&](const char* name) {
    return static_cast<std::size_t>(std::ranges::find(calls, name) - calls.begin());
  };
  const std::size_t begin = place("cudaStreamBeginCapture");
  const std::size_t end = place("cudaStreamEndCapture");
  REQUIRE((begin < end && end < calls.size()));
  for (std::size_t n = begin + 1; n < end; n += 3) {
    CAPTURE(calls[n]);
    warned_replica one(gpu_options());
    // By name: how often the host asks whether something is done differs from run to run.
    const auto before_it =
        std::count(calls.begin(), calls.begin() + static_cast<long>(n), calls[n]);
    fake_cuda::fail_calls_of(calls[n], 1, static_cast<std::uint64_t>(before_it));
    CHECK(decode_together(one.get(), num_tokens) == wanted);
    CHECK(fake_cuda::failed_call() == calls[n]);
    CHECK(one.warnings().size() == 1);
  }
  fake_cuda::fail_nothing();
}

TEST_CASE("ranks do without a graph together") {
  fake_cuda::use_emulator();
  fake_cuda::set_gpus(2);
  const auto wanted = answers_without_graphs(two_gpus());
  for (const char* call : graph_calls) {
    if (std::string(call) == "cudaGraphLaunch") continue;
    CAPTURE(call);
    warned_replica ranks(two_gpus());
    fake_cuda::reset_counts();
    fake_cuda::fail_calls_of(call, 1);
    CHECK(decode_together(ranks.get(), num_tokens) == wanted);
    CHECK(fake_cuda::failed_call() == call);
    CHECK(ranks.warnings().size() == 1);
    // An even number: no rank had a graph that the other one lacked.
    CHECK(fake_cuda::count().graph_launches > 0);
    CHECK(fake_cuda::count().graph_launches % 2 == 0);
  }
  fake_cuda::fail_nothing();
  fake_cuda::set_gpus(1);
}
