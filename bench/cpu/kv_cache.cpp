// What int8 keys and values gain: decoding at long contexts with the shape of Qwen2.5-0.5B and
// seeded weights over bfloat16 pages and over int8 ones, step by step in turns: the median step and
// the best one. The positions before the decoded ones are taken as they are: zeros, whose time is
// that of others.
// Arguments: threads, contexts separated by commas, [weights: bfloat16, int8 or int4], [steps].
#include "cpu_bench.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>

using namespace troupe;
using namespace troupe::bench;

namespace {

constexpr std::uint32_t max_sequences = 8;

struct subject {
  const char* name;
  std::unique_ptr<model_runner> runner;
  std::vector<double> seconds;

  double share_of(double part) {
    std::sort(seconds.begin(), seconds.end());
    return seconds[static_cast<std::size_t>(static_cast<double>(seconds.size() - 1) * part)];
  }
};

std::unique_ptr<model_runner> make_runner(kv_type kv, weight_format weights,
                                          std::uint32_t num_threads, std::uint32_t longest) {
  cpu_runner_options options;
  options.weights = weights;
  options.kv = kv;
  options.threads.num_threads = num_threads;
  options.max_num_seqs = max_sequences;
  options.max_num_batched_tokens = max_sequences;
  options.max_model_len = longest;
  options.num_pages = (longest / page_size_tokens + 1) * max_sequences;
  const model_config config = half_billion();
  return std::move(make_model_runners(
      value_of(load_cpu_model(config, value_of(make_dummy_weights(config, 1)), options)))[0]);
}

// Pages of slot s: s, s + 8, s + 16 and so on.
void append_token(step_batch& batch, slot_idx slot, std::uint32_t position, token_id token) {
  const std::uint32_t num_pages = position / page_size_tokens + 1;
  batch.chunks.push_back({slot, static_cast<std::uint32_t>(batch.tokens.size()), 1, position,
                          static_cast<std::uint32_t>(batch.page_table.size()), num_pages, true});
  batch.tokens.push_back(token);
  for (std::uint32_t p = 0; p < num_pages; ++p)
    batch.page_table.push_back(p * max_sequences + slot);
}

double seconds_of(model_runner& runner, const step_batch& batch) {
  const auto start = std::chrono::steady_clock::now();
  runner.run(batch);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print(const std::string& what, subject& pairs, subject& bytes, double tokens) {
  for (const auto& [name, part] : {std::pair("median", 0.5), std::pair("best", 0.0)}) {
    const double before = pairs.share_of(part);
    const double after = bytes.share_of(part);
    std::printf("%-20s %-6s  bfloat16 %8.2f ms %7.1f tok/s   int8 %8.2f ms %7.1f tok/s   %.2fx\n",
                what.c_str(), name, before * 1e3, tokens / before, after * 1e3, tokens / after,
                before / after);
  }
  std::fflush(stdout);
}

void decode(subject& pairs, subject& bytes, std::uint32_t num_sequences, std::uint32_t context,
            std::uint32_t num_steps) {
  for (subject* s : {&pairs, &bytes}) {
    s->seconds.clear();
    step_batch batch;
    for (slot_idx slot = 0; slot < num_sequences; ++slot) {
      batch.starts.push_back({.slot = slot, .history = {1}, .num_prompt_tokens = 1});
      append_token(batch, slot, context - num_steps - 1, 9);
    }
    s->runner->run(batch);
  }
  for (std::uint32_t step = 0; step < num_steps; ++step) {
    step_batch batch;
    for (slot_idx slot = 0; slot < num_sequences; ++slot) {
      append_token(batch, slot, context - num_steps + step, last_sampled);
    }
    for (subject* s : {&pairs, &bytes}) s->seconds.push_back(seconds_of(*s->runner, batch));
  }
  print("decode " + std::to_string(num_sequences) + " at " + std::to_string(context), pairs, bytes,
        num_sequences);
}

}  // namespace

int main(int argc, char** argv) {
  const auto num_threads = static_cast<std::uint32_t>(argc > 1 ? std::atoi(argv[1]) : 1);
  std::istringstream list(argc > 2 ? argv[2] : "4096,16384");
  std::vector<std::uint32_t> contexts;
  for (std::string one; std::getline(list, one, ',');)
    contexts.push_back(static_cast<std::uint32_t>(std::atoi(one.c_str())));
  const std::string name = argc > 3 ? argv[3] : "bfloat16";
  const weight_format weights = format_of(name);
  const auto num_steps = static_cast<std::uint32_t>(argc > 4 ? std::atoi(argv[4]) : 41);
  subject pairs{
      "bfloat16", make_runner(kv_type::bfloat16, weights, num_threads, contexts.back()), {}};
  subject bytes{"int8", make_runner(kv_type::int8, weights, num_threads, contexts.back()), {}};
  std::printf("%s weights, %u threads\n", name.c_str(), num_threads);
  for (const std::uint32_t context : contexts) {
    decode(pairs, bytes, 1, context, num_steps);
    decode(pairs, bytes, max_sequences, context, num_steps);
  }
  return 0;
}
