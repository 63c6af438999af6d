// What bfloat16, int8 and int4 cost in accuracy: the logits of a text, position by position,
// against those of more precise runs of the same weights: mean Kullback-Leibler divergence in nats,
// and how often the most likely token is the same. The text is what the model writes itself at
// temperature 1. Arguments: model directory, or "dummy" for the shape of Qwen2.5-0.5B with seeded
// weights; [tokens, of which the logits of the last 512 are kept]; [the type that writes].
#include "cpu_bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>

using namespace troupe;
using namespace troupe::bench;

namespace {

constexpr std::uint32_t rows_at_once = 64;
constexpr std::uint32_t rows_kept = 512;

struct source {
  model_config config;
  model_weights weights;
};

struct precision {
  dtype type = dtype::float32;
  weight_format weights = weight_format::plain;
  std::optional<kv_type> kv;
};

std::unique_ptr<model_runner> make_runner(const source& from, const precision& how,
                                          std::uint32_t num_tokens) {
  cpu_runner_options options;
  options.type = how.type;
  options.weights = how.weights;
  options.kv = how.kv;
  options.threads.num_threads = 2;
  options.max_num_seqs = 1;
  options.max_num_batched_tokens = rows_at_once;
  options.max_num_logit_rows = rows_at_once;
  options.max_model_len = num_tokens + 1;
  options.num_pages = num_tokens / page_size_tokens + 2;
  return std::move(
      make_model_runners(value_of(load_cpu_model(from.config, from.weights, options)))[0]);
}

step_batch chunk_of(const std::vector<token_id>& tokens, std::uint32_t first, std::uint32_t count,
                    bool sample) {
  step_batch batch;
  if (first == 0) batch.starts.push_back({.slot = 0, .history = {1}, .num_prompt_tokens = 1});
  const std::uint32_t num_pages = (first + count - 1) / page_size_tokens + 1;
  batch.chunks.push_back({0, 0, count, first, 0, num_pages, sample});
  batch.tokens.assign(tokens.begin() + first, tokens.begin() + first + count);
  batch.page_table.resize(num_pages);
  std::iota(batch.page_table.begin(), batch.page_table.end(), 0U);
  return batch;
}

std::vector<token_id> write_text(const source& from, dtype type, std::uint32_t num_tokens) {
  const auto runner = make_runner(from, {.type = type}, num_tokens);
  std::vector<token_id> tokens{1};
  while (tokens.size() < num_tokens) {
    step_batch batch = chunk_of(tokens, static_cast<std::uint32_t>(tokens.size()) - 1, 1, true);
    for (slot_start& start : batch.starts) {
      start.sampling.temperature = 1;
      start.sampling.seed = 1;
    }
    tokens.push_back(runner->run(batch).samples.at(0).sampled.token);
  }
  return tokens;
}

// Of the last positions: [at most 512, vocab_size]
std::vector<float> logits_of(const source& from, const std::vector<token_id>& tokens,
                             const precision& how) {
  const auto length = static_cast<std::uint32_t>(tokens.size());
  const auto runner = make_runner(from, how, length);
  std::vector<float> out;
  for (std::uint32_t first = 0; first < length; first += rows_at_once) {
    const auto batch = chunk_of(tokens, first, std::min(rows_at_once, length - first), false);
    if (length - first > rows_kept) {
      runner->run(batch);
      continue;
    }
    const auto rows = runner->run_for_logits(batch);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

std::vector<double> log_probabilities(std::span<const float> logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - highest);
  std::vector<double> out;
  for (const float x : logits) out.push_back(x - highest - std::log(sum));
  return out;
}

void compare(const char* name, const std::vector<float>& exact, const std::vector<float>& other,
             std::size_t vocab) {
  double divergence = 0;
  std::size_t same = 0;
  const std::size_t rows = exact.size() / vocab;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto p = log_probabilities(std::span(exact).subspan(row * vocab, vocab));
    const auto q = log_probabilities(std::span(other).subspan(row * vocab, vocab));
    for (std::size_t i = 0; i < vocab; ++i) divergence += std::exp(p[i]) * (p[i] - q[i]);
    same += std::max_element(p.begin(), p.end()) - p.begin() ==
            std::max_element(q.begin(), q.end()) - q.begin();
  }
  std::printf("%-36s KL %.2e nats, top-1 the same in %.2f %% of %zu positions\n", name,
              divergence / static_cast<double>(rows),
              100.0 * static_cast<double>(same) / static_cast<double>(rows), rows);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string model = argc > 1 ? argv[1] : "dummy";
  const auto num_tokens = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 512);
  source from;
  from.config = model == "dummy" ? half_billion() : value_of(read_model_config(model));
  from.weights = value_of(model == "dummy" ? make_dummy_weights(from.config, 1)
                                           : load_weights(model, from.config));
  const bool writes_bfloat16 = argc > 3 && std::string(argv[3]) == "bfloat16";
  const auto text =
      write_text(from, writes_bfloat16 ? dtype::bfloat16 : dtype::float32, num_tokens);
  const std::size_t vocab = from.config.vocab_size;
  const auto exact = logits_of(from, text, {});
  const auto rounded = logits_of(from, text, {.type = dtype::bfloat16});
  compare("bfloat16 against float32", exact, rounded, vocab);
  compare("float32, int8 KV against float32", exact, logits_of(from, text, {.kv = kv_type::int8}),
          vocab);
  const auto over_bytes = [&](weight_format weights) {
    return logits_of(from, text, {dtype::bfloat16, weights, kv_type::int8});
  };
  const auto pages = over_bytes(weight_format::plain);
  compare("bfloat16, int8 KV against float32", exact, pages, vocab);
  compare("bfloat16, int8 KV against bfloat16", rounded, pages, vocab);
  for (const std::string name : {"int8", "int4"}) {
    const weight_format weights = format_of(name);
    const auto logits = logits_of(from, text, {dtype::bfloat16, weights});
    compare((name + " against float32").c_str(), exact, logits, vocab);
    compare((name + " against bfloat16").c_str(), rounded, logits, vocab);
    const auto both = over_bytes(weights);
    compare((name + ", int8 KV against float32").c_str(), exact, both, vocab);
    compare((name + ", int8 KV against " + name).c_str(), logits, both, vocab);
  }
  return 0;
}
