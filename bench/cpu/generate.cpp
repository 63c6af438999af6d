// Tokens per second of the whole model at the shape of Qwen2.5-0.5B with dummy weights (or of a
// model directory): a prompt of 512 tokens in one step, then decoding with 1, 4 and 16 sequences.
// Arguments: dtype (float32 or bfloat16), threads, [model directory].
#include "cpu/cpu_runner.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

using namespace troupe;

namespace {

constexpr std::uint32_t prompt_length = 512;
constexpr std::uint32_t pages_per_sequence = 40;

template <class T>
T value_of(outcome<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

model_config half_billion() {
  model_config config;
  config.hidden_size = 896;
  config.intermediate_size = 4864;
  config.num_hidden_layers = 24;
  config.num_attention_heads = 14;
  config.num_key_value_heads = 2;
  config.head_dim = 64;
  config.vocab_size = 151'936;
  config.max_position_embeddings = 32768;
  config.tie_word_embeddings = true;
  return config;
}

void append_chunk(step_batch& batch, slot_idx slot, std::uint32_t first, std::uint32_t count,
                  token_id token) {
  const std::uint32_t num_pages = (first + count - 1) / page_size_tokens + 1;
  batch.chunks.push_back({slot, static_cast<std::uint32_t>(batch.tokens.size()), count, first,
                          static_cast<std::uint32_t>(batch.page_table.size()), num_pages, true});
  batch.tokens.insert(batch.tokens.end(), count, token);
  for (std::uint32_t p = 0; p < num_pages; ++p) {
    batch.page_table.push_back(slot * pages_per_sequence + p);
  }
}

double seconds_of(model_runner& runner, const step_batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void prefill(model_runner& runner) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    step_batch batch;
    batch.starts.push_back({.slot = 0, .history = {1}, .num_prompt_tokens = 1});
    append_chunk(batch, 0, 0, prompt_length, 7);
    best = std::min(best, seconds_of(runner, batch));
  }
  std::printf("prefill %u: %.0f tok/s\n", prompt_length, prompt_length / best);
}

void decode(model_runner& runner, std::uint32_t num_sequences) {
  step_batch prompts;
  for (slot_idx slot = 0; slot < num_sequences; ++slot) {
    prompts.starts.push_back({.slot = slot, .history = {1}, .num_prompt_tokens = 1});
    append_chunk(prompts, slot, 0, 32, 9);
  }
  runner.run(prompts);
  constexpr std::uint32_t steps = 40;
  double total = 0;
  for (std::uint32_t step = 0; step < steps; ++step) {
    step_batch batch;
    for (slot_idx slot = 0; slot < num_sequences; ++slot) {
      append_chunk(batch, slot, 32 + step, 1, last_sampled);
    }
    total += seconds_of(runner, batch);
  }
  std::printf("decode %u: %.1f tok/s, %.2f ms a step\n", num_sequences,
              num_sequences * steps / total, total / steps * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  cpu_runner_options options;
  options.type = argc > 1 && std::string(argv[1]) == "float32" ? dtype::float32 : dtype::bfloat16;
  options.threads.num_threads = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  options.max_num_seqs = 16;
  options.max_num_batched_tokens = 512;
  options.max_model_len = 640;
  options.num_pages = 16 * pages_per_sequence;
  const bool given = argc > 3;
  const model_config config = given ? value_of(read_model_config(argv[3])) : half_billion();
  const model_weights weights =
      given ? value_of(load_weights(argv[3], config)) : value_of(make_dummy_weights(config, 1));
  const auto runners = make_model_runners(value_of(load_cpu_model(config, weights, options)));
  std::printf("%s, %u threads\n", std::string(to_string(options.type)).c_str(),
              options.threads.num_threads);
  prefill(*runners[0]);
  for (std::uint32_t n : {1U, 4U, 16U}) decode(*runners[0], n);
  return 0;
}
