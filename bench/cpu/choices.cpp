// What the choice of the next token costs a step, by kinds of sampling: 1, 4 and 16 sequences
// decode in turns, so that what else the machine does meets all of them. Every number is of the
// median step. Arguments: weights (float32, bfloat16, int8 or int4), threads, rounds, [model
// directory]; without a directory dummy weights of a model that is nearly its vocabulary alone.
#include "cpu_bench.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace troupe;
using namespace troupe::bench;

namespace {

constexpr std::uint32_t context = 128;
constexpr std::uint32_t max_sequences = 16;
constexpr std::uint32_t num_known_tokens = 151'665;

model_config mostly_vocabulary() {
  model_config config = half_billion();
  config.hidden_size = 128;
  config.intermediate_size = 352;
  config.num_hidden_layers = 4;
  config.num_attention_heads = 4;
  config.head_dim = 32;
  return config;
}

struct kind {
  std::string name;
  sampling_params sampling;
  token_mask_ptr mask;
};

// Every third token may come.
token_mask_ptr mask_of_a_third() {
  return std::make_shared<const token_mask>(mask_words(num_known_tokens), 0x09249249U);
}

std::vector<kind> all_kinds() {
  const sampling_params greedy{.temperature = 0.0F};
  std::vector<kind> kinds{{"greedy", greedy, nullptr},
                          {"T 0.7, top_p 0.8, top_k 20", {.temperature = 0.7F}, nullptr},
                          {"T 1.0", {}, nullptr},
                          {"T 0.2, top_p 0.9", {.temperature = 0.2F}, nullptr},
                          {"greedy, logprobs", greedy, nullptr},
                          {"greedy, penalties", greedy, nullptr},
                          {"greedy, mask", greedy, mask_of_a_third()}};
  kinds[1].sampling.top_p = 0.8F;
  kinds[1].sampling.top_k = 20;
  kinds[3].sampling.top_p = 0.9F;
  kinds[4].sampling.num_logprobs = 0;
  kinds[5].sampling.repetition_penalty = 1.1F;
  return kinds;
}

// Pages of slot s: s, s + 16, s + 32 and so on.
void append_row(step_batch& batch, slot_idx slot, const kind& how) {
  constexpr std::uint32_t num_pages = context / page_size_tokens;
  batch.chunks.push_back({slot, slot, 1, context - 1,
                          static_cast<std::uint32_t>(batch.page_table.size()), num_pages, true});
  if (how.mask != nullptr) {
    batch.chunks.back().mask_idx = static_cast<std::uint32_t>(batch.masks.size());
    batch.masks.push_back(how.mask);
  }
  batch.tokens.push_back(static_cast<token_id>(1000 + 7 * slot));
  for (std::uint32_t p = 0; p < num_pages; ++p) batch.page_table.push_back(p * 16 + slot);
}

double seconds_of(model_runner& runner, const step_batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One round of one kind: the sequences start anew, then some steps.
void decode(model_runner& runner, std::uint32_t num_sequences, const kind& how,
            std::vector<double>& seconds) {
  constexpr int steps_at_once = 5;
  step_batch batch;
  for (slot_idx slot = 0; slot < num_sequences; ++slot) {
    slot_start start{.slot = slot, .sampling = how.sampling, .num_prompt_tokens = context};
    start.sampling.seed = slot;
    for (std::uint32_t i = 0; i < context; ++i) {
      start.history.push_back(static_cast<token_id>(i * 1009 % num_known_tokens));
    }
    batch.starts.push_back(std::move(start));
    append_row(batch, slot, how);
  }
  runner.run(batch);
  batch.starts.clear();
  for (int i = 0; i < steps_at_once; ++i) seconds.push_back(seconds_of(runner, batch));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "bfloat16";
  cpu_runner_options options;
  options.type = name == "float32" ? dtype::float32 : dtype::bfloat16;
  options.weights = format_of(name);
  options.threads.num_threads = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  options.max_num_seqs = max_sequences;
  options.max_num_batched_tokens = max_sequences;
  options.max_model_len = context;
  options.num_pages = context / page_size_tokens * max_sequences;
  options.num_tokens = num_known_tokens;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 10;
  const bool given = argc > 4;
  const model_config config = given ? value_of(read_model_config(argv[4])) : mostly_vocabulary();
  const model_weights weights =
      given ? value_of(load_weights(argv[4], config)) : value_of(make_dummy_weights(config, 1));
  const auto runners = make_model_runners(value_of(load_cpu_model(config, weights, options)));
  const std::vector<std::uint32_t> counts{1, 4, 16};
  const std::vector<kind> kinds = all_kinds();
  std::vector<std::vector<double>> seconds(counts.size() * kinds.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      decode(*runners[0], counts[i % counts.size()], kinds[i / counts.size()], seconds[i]);
    }
  }
  std::printf("%s, %u threads, ms a step of 1, 4 and 16 sequences\n", name.c_str(),
              options.threads.num_threads);
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    if (i % counts.size() == 0) std::printf("%-28s", kinds[i / counts.size()].name.c_str());
    std::sort(seconds[i].begin(), seconds[i].end());
    std::printf(" %8.3f", seconds[i][seconds[i].size() / 2] * 1e3);
    if (i % counts.size() + 1 == counts.size()) std::printf("\n");
  }
  return 0;
}
