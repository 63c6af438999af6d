// In steady state nothing is allocated for a token where it is computed; what its way through the
// actors takes is bounded.
#include "actors/replica.hpp"
#include "allocations.hpp"
#include "core/running_batch.hpp"
#include "cpu/cpu_runner.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using troupe::testing::num_allocations;

namespace {

constexpr std::uint32_t num_warm_steps = 24;
constexpr std::uint32_t num_steps = 200;

model_config small_config() {
  model_config config;
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = 2000;
  config.max_position_embeddings = 2048;
  return config;
}

std::unique_ptr<model_runner> make_runner(const cpu_runner_options& wanted,
                                          std::uint32_t num_sequences) {
  cpu_runner_options options = wanted;
  options.threads.num_threads = 2;
  options.max_num_seqs = num_sequences;
  options.max_num_batched_tokens = num_sequences;
  options.max_model_len = 512;
  options.num_pages = 32 * num_sequences;
  const model_config config = small_config();
  auto weights = make_dummy_weights(config, 3);
  REQUIRE(weights);
  auto model = load_cpu_model(config, *weights, options);
  REQUIRE(model);
  return std::move(make_model_runners(*model)[0]);
}

step_batch decode_batch(std::uint32_t num_sequences, std::uint32_t position,
                        const sampling_params& params) {
  step_batch batch;
  for (slot_idx slot = 0; slot < num_sequences; ++slot) {
    if (position == 0) {
      batch.starts.push_back(
          {.slot = slot, .sampling = params, .history = {1}, .num_prompt_tokens = 1});
      batch.starts.back().sampling.seed = slot;
    }
    const std::uint32_t num_pages = position / page_size_tokens + 1;
    batch.chunks.push_back({slot, slot, 1, position,
                            static_cast<std::uint32_t>(batch.page_table.size()), num_pages, true});
    batch.tokens.push_back(position == 0 ? 1 : last_sampled);
    for (std::uint32_t p = 0; p < num_pages; ++p) batch.page_table.push_back(slot * 32 + p);
  }
  return batch;
}

// Over the steps after the first ones.
std::uint64_t allocations_of_runner(const cpu_runner_options& options, std::uint32_t num_sequences,
                                    const sampling_params& params) {
  const auto runner = make_runner(options, num_sequences);
  std::vector<step_batch> batches;
  for (std::uint32_t step = 0; step < num_warm_steps + num_steps; ++step) {
    batches.push_back(decode_batch(num_sequences, step, params));
  }
  std::uint64_t before = 0;
  for (std::uint32_t step = 0; step < batches.size(); ++step) {
    if (step == num_warm_steps) before = num_allocations();
    runner->run(batches[step]);
  }
  return num_allocations() - before;
}

sampling_params greedy() {
  sampling_params params;
  params.temperature = 0;
  params.max_tokens = num_warm_steps + num_steps;
  return params;
}

sampling_params drawn() {
  sampling_params params = greedy();
  params.temperature = 0.8F;
  params.top_p = 0.9F;
  params.top_k = 40;
  return params;
}

sampling_params penalised() {
  sampling_params params = greedy();
  params.temperature = 1.2F;
  params.repetition_penalty = 1.1F;
  params.frequency_penalty = 0.2F;
  return params;
}

}  // namespace

TEST_CASE("a decoded token allocates nothing on the CPU") {
  cpu_runner_options plain;
  cpu_runner_options bytes;
  bytes.weights = weight_format::int8;
  bytes.kv = kv_type::int8;
  cpu_runner_options small;
  small.weights = weight_format::int4;
  for (const cpu_runner_options& options : {plain, bytes, small}) {
    for (const sampling_params& params : {greedy(), drawn(), penalised()}) {
      CAPTURE(static_cast<int>(options.weights));
      CAPTURE(params.temperature);
      // One a step, whatever its rows: the samples that leave with the answer.
      CHECK(allocations_of_runner(options, 1, params) == num_steps);
      CHECK(allocations_of_runner(options, 8, params) == num_steps);
    }
  }
}

namespace {

engine_limits limits_of(std::uint32_t num_sequences) {
  engine_limits limits;
  limits.max_num_seqs = num_sequences;
  limits.max_num_batched_tokens = 64;
  limits.max_model_len = 2048;
  limits.num_pages = 128 * num_sequences;
  limits.vocab_size = 1000;
  return limits;
}

step_result answer_to(const step_batch& batch) {
  step_result result{.id = batch.id};
  result.samples.reserve(batch.chunks.size());
  for (const chunk& c : batch.chunks) {
    if (c.sample) result.samples.push_back({c.slot, {.token = 7}});
  }
  return result;
}

std::uint64_t allocations_of_planning(std::uint32_t num_sequences) {
  running_batch batch(limits_of(num_sequences));
  for (std::uint64_t id = 0; id < num_sequences; ++id) {
    sequence s;
    s.request.id = {id + 1};
    s.request.prompt = {1, 2, 3};
    s.request.sampling.max_tokens = 1000;
    std::vector<page_idx> pages(64);
    std::iota(pages.begin(), pages.end(), static_cast<page_idx>(64 * id));
    batch.admit(std::move(s), std::move(pages), 0);
  }
  std::uint64_t total = 0;
  for (std::uint32_t step = 0; step < num_warm_steps + num_steps; ++step) {
    const std::uint64_t before = num_allocations();
    batch.plan();
    const step_batch built = batch.build();
    const std::uint64_t planned = num_allocations() - before;
    const step_result result = answer_to(built);
    const std::uint64_t after = num_allocations();
    batch.apply(result);
    if (step >= num_warm_steps) total += planned + num_allocations() - after;
  }
  return total;
}

}  // namespace

TEST_CASE("planning a step allocates for the step, not for its tokens") {
  const double alone = static_cast<double>(allocations_of_planning(1)) / num_steps;
  const double many = static_cast<double>(allocations_of_planning(64)) / num_steps;
  MESSAGE("allocations a planned step: " << alone << " with 1 sequence, " << many << " with 64");
  CHECK(alone <= 10);
  CHECK(many <= 20);
}

namespace {

class instant_runner : public runner {
 public:
  void compute(const step_batch& batch) override { batch_ = &batch; }
  void choose(std::span<const token_mask_ptr>) override { result_ = answer_to(*batch_); }
  step_result finish() override { return std::move(result_); }
  bool is_ready() override { return true; }
  void abort() noexcept override {}

 private:
  const step_batch* batch_ = nullptr;
  step_result result_;
};

constexpr std::uint32_t num_answer_tokens = 1000;
constexpr std::uint32_t num_first_tokens = 200;

// Reads one answer and notes the allocations of the process at two of its tokens.
struct noted {
  std::promise<void> is_over;
  std::uint64_t early = 0;
  std::uint64_t late = 0;
};

class noting_reader : public token_sink::base {
 public:
  noting_reader(caf::actor_config& config, std::shared_ptr<noted> notes)
      : token_sink::base(config), notes_(std::move(notes)) {}
  behavior_type make_behavior() override {
    return {[this](const tokens_ready& ready) {
              num_tokens_ += ready.tokens.size();
              if (num_tokens_ >= num_first_tokens && notes_->early == 0)
                notes_->early = num_allocations();
            },
            [this](const finished&) {
              notes_->late = num_allocations();
              notes_->is_over.set_value();
              quit();
            }};
  }

 private:
  std::shared_ptr<noted> notes_;
  std::size_t num_tokens_ = 0;
};

// A token's share while `num_sequences` answers run, from the batcher to the reader and back.
double allocations_of_engine(std::uint32_t num_sequences) {
  caf::actor_system_config config;
  enroll_cast(config);
  config.set("scheduler.policy", caf::atom("sharing"));
  config.set("scheduler.max-threads", std::size_t{2});
  caf::actor_system system{config};
  const engine_limits limits = limits_of(num_sequences);
  auto observer = spawn_meter(system, "test");
  auto queue = spawn_request_queue(system, limits, observer);
  auto copy = spawn_replica(system, {.limits = limits}, queue, observer, [] {
    std::vector<std::unique_ptr<runner>> ranks;
    ranks.push_back(std::make_unique<instant_runner>());
    return ranks;
  });
  caf::scoped_actor self{system};
  std::vector<std::shared_ptr<noted>> all;
  for (std::uint64_t i = 0; i < num_sequences; ++i) {
    generation_request request{.id = {i + 1}};
    request.prompt = {1, 2, static_cast<token_id>(i)};
    request.sampling.max_tokens = num_answer_tokens;
    request.sampling.ignore_eos = true;
    request.arrival = system.clock().now();
    request.deadline = request.arrival + std::chrono::hours{1};
    all.push_back(std::make_shared<noted>());
    auto reader = system.spawn<noting_reader>(all.back());
    self->send(queue, submit{std::move(request), reader});
  }
  for (const auto& notes : all) notes->is_over.get_future().wait();
  for (const auto& part : {caf::actor_cast<caf::actor>(copy), caf::actor_cast<caf::actor>(queue),
                           caf::actor_cast<caf::actor>(observer)}) {
    self->send_exit(part, caf::exit_reason::user_shutdown);
  }
  // From when the last one is well under way until the first one ends: all of them run.
  std::uint64_t early = 0;
  std::uint64_t late = ~std::uint64_t{0};
  for (const auto& notes : all) {
    early = std::max(early, notes->early);
    late = std::min(late, notes->late);
  }
  REQUIRE(early < late);
  return static_cast<double>(late - early) /
         (double{num_answer_tokens - num_first_tokens} * num_sequences);
}

}  // namespace

TEST_CASE("a token's way from the batcher to its reader allocates little") {
  const double alone = allocations_of_engine(1);
  const double many = allocations_of_engine(32);
  MESSAGE("allocations a token: " << alone << " in 1 answer, " << many << " in 32 at once");
  CHECK(alone <= 60);
  CHECK(many <= 12);
}
