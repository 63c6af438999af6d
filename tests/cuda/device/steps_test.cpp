// Steps told to the device itself: what rows, slots and steps in flight must not share.
#include <doctest/doctest.h>

#include <numeric>

#include "cuda/cuda_device.hpp"
#include "gpu_model.hpp"
#include "model/rope.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr std::uint32_t num_rows = 64;

// A device alone with its weights, one rank.
class lone_device {
 public:
  lone_device()
      : config_(gpu_config()),
        plan_(value_of(plan_shard(config_, 1, 0))),
        ropes_(make_rope_table(config_, rope_kind::plain, 256)),
        device_(options()),
        model_(load_device_model(device_, config_, plan_, gpu_weights(config_), nullptr)),
        ranks_(cuda::make_single_communicator()),
        pass_(device_, *ranks_, config_, plan_, model_, {num_rows, num_rows}) {}

  cuda::cuda_device& get() { return device_; }
  // Begins a step of one token in slot 0 and samples it.
  void begin(token_id token) {
    const std::vector<token_id> tokens = {token};
    const std::vector<slot_idx> slots = {0};
    const std::vector<std::uint32_t> positions = {0};
    const std::vector<rope_kind> kinds = {rope_kind::plain};
    const std::vector<attention_chunk> chunks = {{0, 1, 0, 0, 1}};
    const std::vector<page_idx> pages = {0};
    const std::vector<std::uint32_t> logit_rows = {0};
    device_.begin_step({tokens, slots, positions, kinds, chunks, pages, logit_rows});
    const auto logits = pass_.run(true);
    const std::vector<sampled_row> sampled = {{}};
    device_.sample(logits, sampled);
    device_.share_samples(*ranks_, sampled);
  }

 private:
  cuda::cuda_device_options options() const {
    cuda::cuda_device_options out;
    out.num_layers = config_.num_hidden_layers;
    out.heads = {8, 2, 64};
    out.num_pages = out.max_num_rows = out.max_num_logit_rows = num_rows;
    out.max_num_seqs = 4;
    out.max_model_len = 256;
    out.num_tokens = 200;
    out.ropes = {rope_view{ropes_.cos, ropes_.sin}, rope_view{ropes_.cos, ropes_.sin}};
    return out;
  }

  model_config config_;
  shard_plan plan_;
  rope_table ropes_;
  cuda::cuda_device device_;
  device_model model_;
  std::unique_ptr<cuda::gpu_communicator> ranks_;
  forward pass_;
};

std::vector<page_idx> pages_from(page_idx first, std::uint32_t count) {
  std::vector<page_idx> out(count);
  std::iota(out.begin(), out.end(), first);
  return out;
}

using likely_tokens = std::vector<std::pair<token_id, float>>;

void add_samples(const step_result& result, likely_tokens& out) {
  for (const slot_sample& one : result.samples) {
    out.emplace_back(one.sampled.token, one.sampled.logprob);
    REQUIRE(one.sampled.most_likely.size() == 1);
    CHECK(one.sampled.most_likely[0].token == one.sampled.token);  // nothing is drawn
  }
}

// What sequences say that decode side by side, step after step.
likely_tokens decode_beside(test_replica& replica, std::vector<test_sequence> sequences,
                            int count) {
  sampling_params greedy;
  greedy.temperature = 0;
  greedy.num_logprobs = 1;
  likely_tokens out;
  for (test_sequence& one : sequences) {
    const auto length = static_cast<std::uint32_t>(one.tokens.size());
    while (one.num_done < length) {
      step_batch batch;
      if (one.num_done == 0) batch.starts.push_back(one.start(greedy));
      const std::uint32_t chunk = std::min(num_rows, length - one.num_done);
      append_chunk(batch, one, chunk, one.num_done + chunk == length);
      add_samples(replica.run(batch), out);
    }
  }
  for (int step = 0; step < count; ++step) {
    step_batch batch;
    for (test_sequence& one : sequences) {
      one.tokens.push_back(last_sampled);
      append_chunk(batch, one, 1, true);
    }
    add_samples(replica.run(batch), out);
  }
  return out;
}

cuda_runner_options long_options() {
  cuda_runner_options options = gpu_options();
  options.max_model_len = 640;
  options.num_pages = 128;
  return options;
}

test_sequence sequence_of(slot_idx slot, std::uint32_t length, page_idx first_page) {
  test_sequence out = prompt_in(slot, length);
  out.pages = pages_from(first_page, 40);
  return out;
}

}  // namespace

TEST_CASE("no more steps are begun than the device can hold") {
  fake_cuda::use_emulator();
  lone_device one;
  one.get().start_slot(prompt_in(0, 1).start());
  for (std::uint32_t i = 0; i < cuda::num_steps_in_flight; ++i) one.begin(3);
  CHECK_THROWS_AS(one.begin(3), device_error);
  for (std::uint32_t i = 0; i < cuda::num_steps_in_flight; ++i) {
    CHECK(one.get().finish_step().size() == 1);
  }
}

TEST_CASE("a token outside the vocabulary is a failure of its step") {
  fake_cuda::use_emulator();
  lone_device one;
  one.get().start_slot(prompt_in(0, 1).start());
  one.begin(5);
  CHECK(one.get().finish_step().size() == 1);
  one.begin(static_cast<token_id>(gpu_config().vocab_size));
  CHECK_THROWS_AS(one.get().finish_step(), device_error);
}

TEST_CASE("graphs of longer contexts, in several parts, give what operations one by one give") {
  fake_cuda::use_emulator();
  cuda_runner_options options = long_options();
  test_replica with_graphs = gpu_replica(options);
  options.use_graphs = false;
  test_replica eager = gpu_replica(options);
  const auto check = [&](const std::vector<test_sequence>& sequences) {
    fake_cuda::reset_counts();
    const auto got = decode_beside(with_graphs, sequences, 5);
    CHECK(fake_cuda::count().graph_launches >= 3);
    CHECK(got == decode_beside(eager, sequences, 5));
  };
  // Two rows of one part each, then of three and of five together: other graphs of as many rows.
  check({sequence_of(0, 20, 0), sequence_of(1, 33, 40)});
  check({sequence_of(0, 400, 0), sequence_of(1, 33, 40)});
  check({sequence_of(0, 600, 0), sequence_of(1, 300, 40)});
}

TEST_CASE("padding rows of a graph write no page") {
  fake_cuda::use_emulator();
  cuda_runner_options options = gpu_options();
  test_replica padded = gpu_replica(options);
  options.use_graphs = false;
  test_replica eager = gpu_replica(options);
  // Three rows of four; the first position of page 0 is a key that they see.
  std::vector<test_sequence> sequences;
  for (slot_idx slot = 0; slot < 3; ++slot) {
    sequences.push_back(prompt_in(slot, 6 + slot));
    sequences.back().pages = pages_from(8 * slot, 8);
  }
  CHECK(decode_beside(padded, sequences, 8) == decode_beside(eager, sequences, 8));
}

TEST_CASE("slots have lists of their own") {
  fake_cuda::use_emulator();
  test_replica replica = gpu_replica(gpu_options());
  step_batch batch;
  std::vector<test_sequence> sequences;
  for (slot_idx slot = 0; slot < 3; ++slot) {
    sequences.push_back(prompt_in(slot, 4));
    sampling_params params;
    params.temperature = 0;
    params.logit_bias = {{static_cast<token_id>(60 + slot), 1000.0F}};
    batch.starts.push_back(sequences.back().start(params));
  }
  for (test_sequence& one : sequences) append_chunk(batch, one, 4, true);
  const auto samples = replica.run(batch).samples;
  REQUIRE(samples.size() == 3);
  for (const auto& one : samples) {
    CHECK(one.sampled.token == static_cast<token_id>(60 + one.slot));
  }
}

TEST_CASE("rows have masks of their own") {
  fake_cuda::use_emulator();
  test_replica replica = gpu_replica(gpu_options());
  step_batch batch;
  std::vector<test_sequence> sequences;
  for (slot_idx slot = 0; slot < 3; ++slot) {
    sequences.push_back(prompt_in(slot, 4));
    batch.starts.push_back(sequences.back().start());
  }
  for (test_sequence& one : sequences) append_chunk(batch, one, 4, true);
  for (const slot_idx slot : {0U, 2U}) {
    auto mask = std::make_shared<token_mask>(mask_words(200));
    mask->at(slot) = 1U << 9U;
    batch.chunks[slot].mask_idx = static_cast<std::uint32_t>(batch.masks.size());
    batch.masks.push_back(mask);
  }
  const auto samples = replica.run(batch).samples;
  REQUIRE(samples.size() == 3);
  for (const auto& one : samples) {
    if (one.slot != 1) CHECK(one.sampled.token == static_cast<token_id>(32 * one.slot + 9));
  }
}

TEST_CASE("a large matrix goes to the device whole, stage by stage") {
  fake_cuda::use_emulator();
  constexpr std::uint32_t rows = 20'000;
  constexpr std::uint32_t columns = 2048;
  std::vector<bfloat16> numbers(std::size_t{rows} * columns);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = {static_cast<std::uint16_t>(i / columns * 31 + i % columns)};
  }
  const host_tensor tensor{dtype::bfloat16, {rows, columns}, std::as_bytes(std::span(numbers))};
  const linear_slice slice({{rows, 0, tensor, std::nullopt}}, {{columns, 0}});
  cuda::weight_uploader uploader(2);
  const auto matrix = uploader.upload(slice, cuda::weight_kind::halves);
  const auto* there = matrix->view().halves;  // the fake's memory is the host's
  CHECK(std::equal(numbers.begin(), numbers.end(), there));
}
