#include "gpu_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "model/dummy_weights.hpp"

namespace troupe::testing {
namespace {

sampling_params seeded(std::uint64_t seed) {
  sampling_params params;
  params.temperature = 1.5F;
  params.top_k = 50;
  params.seed = seed;
  return params;
}

}  // namespace

model_config gpu_config(std::uint32_t num_layers) {
  model_config config;
  config.hidden_size = 128;
  config.intermediate_size = 192;
  config.num_hidden_layers = num_layers;
  config.num_attention_heads = 8;
  config.num_key_value_heads = 2;
  config.head_dim = 64;
  config.vocab_size = 208;
  config.max_position_embeddings = 2048;
  return config;
}

model_weights gpu_weights(const model_config& config) {
  return value_of(make_dummy_weights(config, 1));
}

cuda_runner_options gpu_options(std::uint32_t tp_size) {
  cuda_runner_options options;
  options.tp_size = tp_size;
  options.ranks_share_gpu = tp_size > 1;
  options.max_num_seqs = 4;
  options.max_num_batched_tokens = 64;
  options.max_num_logit_rows = 64;
  options.num_pages = 64;
  options.max_model_len = 256;
  options.num_tokens = 200;
  options.measure_gemms = false;
  options.load_threads = 1;
  return options;
}

std::shared_ptr<const cuda_model> gpu_model(const cuda_runner_options& options,
                                            const model_config& config) {
  return value_of(load_cuda_model(config, gpu_weights(config), options));
}

test_replica gpu_replica(const cuda_runner_options& options) {
  return test_replica(make_model_runners(gpu_model(options)));
}

test_replica cpu_replica(const model_config& config) {
  cpu_runner_options options = small_options(dtype::float32, 1, 1);
  options.max_num_batched_tokens = options.max_num_logit_rows = 64;
  return test_replica(value_of(load_cpu_model(config, gpu_weights(config), options)));
}

test_sequence prompt_in(slot_idx slot, std::uint32_t num_tokens) {
  test_sequence sequence;
  sequence.slot = slot;
  for (std::uint32_t i = 0; i < num_tokens; ++i) {
    sequence.tokens.push_back(static_cast<token_id>((7 * i + 11 * slot + i * i) % 200));
  }
  // From the far end, out of order.
  for (std::uint32_t i = 0; i < 8; ++i) sequence.pages.push_back(8 * slot + (5 * i + 3) % 8);
  return sequence;
}

std::vector<answer> decode_together(test_replica& replica, int count) {
  std::vector<test_sequence> sequences;
  for (slot_idx slot = 0; slot < 3; ++slot) sequences.push_back(prompt_in(slot, 5 + 14 * slot));
  std::vector<answer> out(3);
  for (int step = 0; step < count + 4; ++step) {
    step_batch batch;
    for (test_sequence& one : sequences) {
      const auto first_step = static_cast<int>(2 * one.slot);
      if (step < first_step || step >= first_step + count) continue;
      sampling_params params = seeded(one.slot);
      params.num_logprobs = 2;
      if (step == first_step) batch.starts.push_back(one.start(params));
      append_chunk(batch, one, static_cast<std::uint32_t>(one.tokens.size()) - one.num_done, true);
    }
    for (const slot_sample& sample : replica.run(batch).samples) {
      out[sample.slot].tokens.push_back(sample.sampled.token);
      out[sample.slot].logprobs.push_back(sample.sampled.logprob);
      REQUIRE(sample.sampled.most_likely.size() == 2);
      out[sample.slot].logprobs.push_back(sample.sampled.most_likely[1].logprob);
      sequences[sample.slot].tokens.push_back(last_sampled);
    }
  }
  return out;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  double difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max<double>(largest, std::abs(b[i]));
    const double one = std::abs(static_cast<double>(a[i]) - b[i]);
    difference = std::isnan(one) ? 1e9 : std::max(difference, one);
  }
  return difference / largest;
}

}  // namespace troupe::testing
