// Tokens per second of the whole model at the shape of Qwen2.5-0.5B with dummy weights (or of a
// model directory): prompts in steps of 512 tokens, decoding by 1, 4 and 16 sequences, and by one
// with a long context; and how long a step takes in which one sequence carries guesses along. Every
// number is of the median step, or of the best prompt of three. Beside each step of decoding memory
// is read as fast as it goes: the part of that speed at which the weights were read is the last
// number.
// Arguments: weights (float32, bfloat16, int8 or int4), threads, longest context, [model
// directory].
#include "cpu_bench.hpp"
#include "limits.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace troupe;
using namespace troupe::bench;

namespace {

constexpr std::uint32_t step_tokens = 512;
constexpr std::uint32_t decode_steps = 40;

// Pages of slot s: s, s + 16, s + 32 and so on.
void append_chunk(step_batch& batch, slot_idx slot, std::uint32_t first, std::uint32_t count,
                  token_id token) {
  const std::uint32_t num_pages = (first + count - 1) / page_size_tokens + 1;
  batch.chunks.push_back({slot, static_cast<std::uint32_t>(batch.tokens.size()), count, first,
                          static_cast<std::uint32_t>(batch.page_table.size()), num_pages, true});
  batch.tokens.insert(batch.tokens.end(), count, token);
  for (std::uint32_t p = 0; p < num_pages; ++p) batch.page_table.push_back(p * 16 + slot);
}

double seconds_of(model_runner& runner, const step_batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double prefill_seconds(model_runner& runner, std::uint32_t length) {
  double total = 0;
  for (std::uint32_t first = 0; first < length; first += step_tokens) {
    step_batch batch;
    if (first == 0) batch.starts.push_back({.slot = 0, .history = {1}, .num_prompt_tokens = 1});
    append_chunk(batch, 0, first, std::min(step_tokens, length - first), 7);
    total += seconds_of(runner, batch);
  }
  return total;
}

void prefill(model_runner& runner, std::uint32_t length) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) best = std::min(best, prefill_seconds(runner, length));
  std::printf("prefill %u: %.0f tok/s\n", length, length / best);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What the memory gives, asked in turns with the steps.
struct memory_limit {
  thread_pool& pool;
  double weight_bytes;
  memory_walk walk{std::size_t{64} << 20U};
  std::vector<double> gb_s;

  void measure() {
    const auto start = std::chrono::steady_clock::now();
    walk.step(pool);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    gb_s.push_back(static_cast<double>(walk.bytes_a_step()) * 1e-9 / seconds.count());
  }
};

// The first `context` positions are taken as they are: their time is not asked for.
void decode(model_runner& runner, memory_limit& memory, std::uint32_t num_sequences,
            std::uint32_t context) {
  step_batch batch;
  for (slot_idx slot = 0; slot < num_sequences; ++slot) {
    batch.starts.push_back({.slot = slot, .history = {1}, .num_prompt_tokens = 1});
    append_chunk(batch, slot, context - 1, 1, 9);
  }
  runner.run(batch);
  std::vector<double> seconds;
  memory.gb_s.clear();
  for (std::uint32_t step = 0; step < decode_steps; ++step) {
    memory.measure();
    batch = {};
    for (slot_idx slot = 0; slot < num_sequences; ++slot) {
      append_chunk(batch, slot, context + step, 1, last_sampled);
    }
    seconds.push_back(seconds_of(runner, batch));
  }
  const double a_step = median(seconds);
  const double limit = median(memory.gb_s);
  const double weights = memory.weight_bytes * 1e-9 / a_step;
  std::printf(
      "decode %u at %u: %.1f tok/s, %.2f ms a step (best %.2f), weights %.1f of %.1f GB/s: "
      "%.0f %%\n",
      num_sequences, context, num_sequences / a_step, a_step * 1e3,
      *std::ranges::min_element(seconds) * 1e3, weights, limit, 100 * weights / limit);
}

// Steps of one sequence with 1 to 16 rows that all get logits, in turns, so that what else the
// machine does meets all of them.
void verify(model_runner& runner, std::uint32_t context) {
  const std::vector<std::uint32_t> sizes{1, 2, 3, 4, 6, 8, 10, 12, 16};
  std::vector<std::vector<double>> seconds(sizes.size());
  step_batch batch;
  batch.starts.push_back({.slot = 0, .history = {1}, .num_prompt_tokens = 1});
  append_chunk(batch, 0, context - 1, 1, 9);
  runner.run(batch);
  for (std::uint32_t round = 0; round < decode_steps; ++round) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      batch = {};
      append_chunk(batch, 0, context, sizes[i], 9);
      batch.chunks.back().num_drafts = sizes[i] - 1;
      seconds[i].push_back(seconds_of(runner, batch));
    }
  }
  std::printf("rows of one sequence at %u, ms a step:", context);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    std::printf("  %u: %.2f", sizes[i], median(seconds[i]) * 1e3);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const auto longest = static_cast<std::uint32_t>(argc > 3 ? std::atoi(argv[3]) : 2048);
  cpu_runner_options options;
  const std::string name = argc > 1 ? argv[1] : "bfloat16";
  options.type = name == "float32" ? dtype::float32 : dtype::bfloat16;
  options.weights = format_of(name);
  options.threads.num_threads = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 1);
  options.max_num_seqs = 16;
  options.max_num_batched_tokens = step_tokens;
  options.max_model_len = longest + decode_steps + 128;
  options.num_pages = (options.max_model_len / page_size_tokens + 1) * 16;
  const bool given = argc > 4;
  const model_config config = given ? value_of(read_model_config(argv[4])) : half_billion();
  const model_weights weights =
      given ? value_of(load_weights(argv[4], config)) : value_of(make_dummy_weights(config, 1));
  const auto runners = make_model_runners(value_of(load_cpu_model(config, weights, options)));
  std::printf("%s, %u threads\n", name.c_str(), options.threads.num_threads);
  prefill(*runners[0], 512);
  if (longest > 512) prefill(*runners[0], longest);
  thread_pool pool(options.threads);
  const auto weight_bytes =
      static_cast<double>(value_of(measure_cpu_memory(config, options)).weight_bytes);
  memory_limit memory{.pool = pool, .weight_bytes = weight_bytes};
  for (std::uint32_t n : {1U, 4U, 16U}) decode(*runners[0], memory, n, 128);
  verify(*runners[0], 128);
  if (longest > 512) {
    decode(*runners[0], memory, 1, longest);
    decode(*runners[0], memory, 16, longest);
  }
  return 0;
}
