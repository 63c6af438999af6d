// What bfloat16, int8 and int4 cost in accuracy: the logits of a text, position by position,
// against those of more precise runs of the same weights: mean Kullback-Leibler divergence in nats,
// and how often the most likely token is the same. The text is what the model writes itself at
// temperature 1. Arguments: model directory, or "dummy" for the shape of Qwen2.5-0.5B with seeded
// weights; [tokens, of which the logits of the last 512 are kept]; [the type that writes].
#include "cpu_bench.hpp"
#include "divergence.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
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
  print_divergence("bfloat16 against float32", exact, rounded, vocab);
  print_divergence("float32, int8 KV against float32", exact,
                   logits_of(from, text, {.kv = kv_type::int8}), vocab);
  const auto over_bytes = [&](weight_format weights) {
    return logits_of(from, text, {dtype::bfloat16, weights, kv_type::int8});
  };
  const auto pages = over_bytes(weight_format::plain);
  print_divergence("bfloat16, int8 KV against float32", exact, pages, vocab);
  print_divergence("bfloat16, int8 KV against bfloat16", rounded, pages, vocab);
  for (const std::string name : {"int8", "int4"}) {
    const weight_format weights = format_of(name);
    const auto logits = logits_of(from, text, {dtype::bfloat16, weights});
    print_divergence((name + " against float32").c_str(), exact, logits, vocab);
    print_divergence((name + " against bfloat16").c_str(), rounded, logits, vocab);
    const auto both = over_bytes(weights);
    print_divergence((name + ", int8 KV against float32").c_str(), exact, both, vocab);
    print_divergence((name + ", int8 KV against " + name).c_str(), logits, both, vocab);
  }
  return 0;
}
