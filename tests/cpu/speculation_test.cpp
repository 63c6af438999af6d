// Answers with and without guesses on the real device: the same tokens, the same logprobs, bit for
// bit.
#include "replica.hpp"

#include "core/running_batch.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr std::uint32_t vocab_size = 331;

model_config config_of() {
  model_config config;
  config.hidden_size = 72;
  config.intermediate_size = 104;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = vocab_size;
  config.max_position_embeddings = 2048;
  return config;
}

std::shared_ptr<const cpu_model> load(dtype type, weight_format weights, std::uint32_t tp_size) {
  const model_config config = config_of();
  cpu_runner_options options = small_options(type, tp_size, tp_size == 1 ? 2 : 1);
  options.weights = weights;
  options.eos_token_ids = {5};
  return value_of(load_cpu_model(config, value_of(make_dummy_weights(config, 5)), options));
}

// Every sampling parameter somewhere. Few choices, so that guesses are right now and then.
std::vector<generation_request> requests() {
  std::vector<generation_request> out;
  for (std::uint32_t i = 0; i < 8; ++i) {
    generation_request r{.id = {i + 1}};
    for (std::uint32_t t = 0; t < 20 + 9 * i; ++t)
      r.prompt.push_back(static_cast<token_id>(10 + (t * (i + 3)) % 23));
    auto& s = r.sampling;
    s.max_tokens = 50 + i;
    s.seed = i;
    s.temperature = i % 3 == 0 ? 0 : 0.7F;
    s.top_k = i % 3 == 0 ? 0 : 3;
    s.top_p = i % 2 == 0 ? 1 : 0.9F;
    s.repetition_penalty = i == 4 || i == 6 ? 1.05F : 1;
    s.presence_penalty = i == 5 ? 0.1F : 0;
    s.frequency_penalty = i == 6 ? 0.02F : 0;
    s.num_logprobs = i % 2 == 0 ? 2 : -1;
    s.min_tokens = i == 7 ? 30 : 0;
    s.stop_token_ids = {static_cast<token_id>(300 + i)};
    for (token_id t = 10; t < 16; ++t)
      if (i > 2) s.logit_bias.emplace_back(t, 2.0F);
    out.push_back(std::move(r));
  }
  return out;
}

struct answer {
  std::vector<token_id> tokens;
  std::vector<float> logprobs;
  std::optional<finish_reason> end;
  bool operator==(const answer&) const = default;
};

struct outcome_of_run {
  std::map<std::uint64_t, answer> answers;
  draft_counts drafts;
};

// A batcher without actors: one request more enters every `pause` steps.
outcome_of_run run(const std::shared_ptr<const cpu_model>& model, std::uint32_t num_drafts,
                   std::uint32_t num_rows, std::uint32_t pause) {
  engine_limits limits;
  limits.max_num_seqs = 8;
  limits.max_num_batched_tokens = num_rows;
  limits.eos_token_ids = {5};
  limits.num_speculative_tokens = num_drafts;
  limits.max_speculative_rows = 20;
  running_batch batch(limits);
  test_replica replica(model);
  outcome_of_run out;
  const auto all = requests();
  page_idx next_page = 0;
  auto take_pages = [&](std::uint32_t count) {
    std::vector<page_idx> pages(count);
    for (auto& page : pages) page = next_page++;
    return pages;
  };
  std::size_t num_entered = 0;
  for (std::uint32_t step = 0; out.answers.size() < all.size() || !batch.sequences().empty();
       ++step) {
    if (num_entered < all.size() && (batch.sequences().empty() || step % pause == 0)) {
      sequence entering;
      entering.request = all[num_entered++];
      const auto num_pages = pages_for(entering.request.prompt.size());
      batch.admit(std::move(entering), take_pages(num_pages), 0);
    }
    for (auto& growth : batch.plan()) batch.grow(growth.request, take_pages(growth.num_pages));
    for (auto& progress : batch.apply(replica.run(batch.build()))) {
      auto& got = out.answers[progress.request.value];
      if (!progress.token) continue;
      got.tokens.push_back(progress.token->token);
      got.logprobs.push_back(progress.token->logprob);
      for (auto& likely : progress.token->most_likely) got.logprobs.push_back(likely.logprob);
      got.end = progress.end;
      if (progress.end) batch.remove(progress.request);
    }
  }
  out.drafts = batch.take_draft_counts();
  return out;
}

void check(const std::shared_ptr<const cpu_model>& model) {
  const auto plain = run(model, 0, 64, 1000);  // one by one
  CHECK(plain.drafts.num_drafts == 0);
  std::uint32_t num_accepted = 0, num_wrong = 0;
  for (std::uint32_t num_drafts : {1U, 3U, 7U})
    for (std::uint32_t pause : {1U, 5U, 1000U}) {
      CAPTURE(num_drafts);
      CAPTURE(pause);
      const auto drafted = run(model, num_drafts, pause == 5 ? 24 : 64, pause);
      for (auto& [id, expected] : plain.answers) {
        CAPTURE(id);
        CHECK(drafted.answers.at(id) == expected);
      }
      num_accepted += drafted.drafts.num_accepted_tokens;
      num_wrong += drafted.drafts.num_draft_tokens - drafted.drafts.num_accepted_tokens;
    }
  CHECK(num_accepted > 100);
  CHECK(num_wrong > 100);
}

}  // namespace

TEST_CASE("behind a wrong guess a slot feeds back what it sampled last") {
  test_replica replica(load(dtype::bfloat16, weight_format::plain, 2));
  test_sequence sequence;
  sequence.tokens = {5, 6, 7};
  sequence.pages = {0, 1};
  const auto expected = greedy_tokens(replica, sequence, 4);
  sampling_params greedy;
  greedy.temperature = 0;
  step_batch batch;
  batch.starts.push_back(sequence.start(greedy));
  append_chunk(batch, sequence, 3, true);
  CHECK(replica.run(batch).samples.at(0).sampled.token == expected[0]);
  batch = {};
  const token_id wrong = (expected[2] + 1) % static_cast<token_id>(vocab_size);
  sequence.tokens.insert(sequence.tokens.end(), {last_sampled, expected[1], wrong, wrong});
  append_chunk(batch, sequence, 4, true);
  batch.chunks[0].num_drafts = 3;
  const auto samples = replica.run(batch).samples;
  REQUIRE(samples.size() == 2);
  CHECK(samples[0].sampled.token == expected[1]);
  CHECK(samples[1].sampled.token == expected[2]);
  batch = {};
  sequence.tokens.resize(5);
  sequence.tokens.push_back(last_sampled);
  sequence.num_done = 5;
  append_chunk(batch, sequence, 1, true);
  CHECK(replica.run(batch).samples.at(0).sampled.token == expected[3]);
}

TEST_CASE("guesses change no bit of an answer in bfloat16") {
  check(load(dtype::bfloat16, weight_format::plain, 1));
}

TEST_CASE("guesses change no bit of an answer in float32") {
  check(load(dtype::float32, weight_format::plain, 1));
}

TEST_CASE("guesses change no bit of an answer in int8 or int4") {
  check(load(dtype::bfloat16, weight_format::int8, 1));
  check(load(dtype::bfloat16, weight_format::int4, 1));
}

TEST_CASE("guesses change no bit of an answer of two ranks") {
  check(load(dtype::bfloat16, weight_format::plain, 2));
}
