// What a step chooses is what the sampler chooses from the logits that the same rows give, whatever
// the rows beside them, the threads and the ranks are.
#include "model/sampler.hpp"
#include "replica.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <random>

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr std::uint32_t num_slots = 5;

// The vocabulary: rows of whole cache lines, or not.
model_config small_config(std::uint32_t vocab_size) {
  model_config config;
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.vocab_size = vocab_size;
  config.max_position_embeddings = 2048;
  return config;
}

struct setting {
  std::uint32_t vocab_size = 0;
  std::uint32_t num_tokens = 0;
  std::uint32_t num_ranks = 1;
  std::uint32_t num_threads = 1;
  weight_format weights = weight_format::plain;
};

cpu_runner_options options_of(const setting& s) {
  cpu_runner_options options = small_options(dtype::bfloat16, s.num_ranks, s.num_threads);
  options.weights = s.weights;
  options.num_tokens = s.num_tokens;
  options.eos_token_ids = {3};
  return options;
}

test_sequence sequence_in(slot_idx slot) {
  test_sequence sequence;
  sequence.slot = slot;
  for (std::uint32_t i = 0; i < 9; ++i) {
    sequence.tokens.push_back(static_cast<token_id>((slot * 31 + i * 7) % 300));
  }
  sequence.pages = {2 * slot, 2 * slot + 1};
  return sequence;
}

// A kind of sampling in each slot.
sampling_params params_in(slot_idx slot, std::uint64_t seed) {
  sampling_params params;
  params.seed = seed;
  params.temperature = slot < 2 ? 0.0F : 0.8F;
  params.num_logprobs = slot == 1 ? 2 : -1;
  if (slot == 3) params.top_k = 20;
  if (slot == 4) {
    params.top_p = 0.7F;
    params.repetition_penalty = 1.3F;
    params.min_tokens = 4;
  }
  return params;
}

token_mask_ptr mask_in(slot_idx slot, std::uint32_t num_tokens, std::uint64_t seed) {
  if ((slot + seed) % 3 != 0) return nullptr;
  token_mask mask(mask_words(num_tokens), 0x80000200U << (seed % 3));
  if (num_tokens % 32 != 0) mask.back() &= (1U << (num_tokens % 32)) - 1;
  return std::make_shared<const token_mask>(std::move(mask));
}

// The last row's logits of each slot.
std::vector<std::vector<float>> logits_of(test_replica& replica, std::uint32_t vocab_size) {
  std::vector<std::vector<float>> out;
  for (slot_idx slot = 0; slot < num_slots; ++slot) {
    const auto all = logits_in_chunks(replica, sequence_in(slot), 4);
    out.emplace_back(all.end() - vocab_size, all.end());
  }
  return out;
}

void check_choices(const setting& s, std::uint64_t seed) {
  CAPTURE(s.vocab_size);
  CAPTURE(s.num_ranks);
  CAPTURE(s.num_threads);
  CAPTURE(seed);
  const model_config config = small_config(s.vocab_size);
  const auto weights = value_of(make_dummy_weights(config, seed));
  test_replica replica(value_of(load_cpu_model(config, weights, options_of(s))));
  const auto logits = logits_of(replica, s.vocab_size);
  sampler expected({s.num_tokens, num_slots, {3}});
  choice_scratch scratch;
  step_batch batch;
  for (slot_idx slot = 0; slot < num_slots; ++slot) {
    test_sequence sequence = sequence_in(slot);
    batch.starts.push_back(sequence.start(params_in(slot, seed)));
    expected.start(batch.starts.back());
    append_chunk(batch, sequence, static_cast<std::uint32_t>(sequence.tokens.size()), true);
    if (const auto mask = mask_in(slot, s.num_tokens, seed)) {
      batch.chunks.back().mask_idx = static_cast<std::uint32_t>(batch.masks.size());
      batch.masks.push_back(mask);
    }
  }
  const step_result result = replica.run(batch);
  REQUIRE(result.samples.size() == num_slots);
  for (slot_idx slot = 0; slot < num_slots; ++slot) {
    CAPTURE(slot);
    const auto mask = mask_in(slot, s.num_tokens, seed);
    const sampled_token wanted = expected.sample(
        slot, logits[slot], mask != nullptr ? std::span(*mask) : std::span<const std::uint32_t>{},
        scratch);
    const sampled_token& got = result.samples[slot].sampled;
    CHECK(got.token == wanted.token);
    CHECK(got.logprob == wanted.logprob);
    REQUIRE(got.most_likely.size() == wanted.most_likely.size());
    for (std::size_t i = 0; i < got.most_likely.size(); ++i) {
      CHECK(got.most_likely[i].token == wanted.most_likely[i].token);
      CHECK(got.most_likely[i].logprob == wanted.most_likely[i].logprob);
    }
  }
}

}  // namespace

TEST_CASE("a step chooses what the sampler chooses from its logits, on all threads and ranks") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    for (const weight_format weights : {weight_format::plain, weight_format::int8}) {
      for (const std::uint32_t threads : {1U, 2U}) {
        for (const std::uint32_t ranks : {1U, 2U}) {
          check_choices({330, 330, ranks, threads, weights}, seed);
          check_choices({1024, 100, ranks, threads, weights}, seed);
        }
      }
    }
  }
}
