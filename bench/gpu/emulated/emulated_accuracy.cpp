// What a GPU's formats cost in accuracy, on the emulator: logits of a text that the model writes
// itself at temperature 1, against float32 on the CPU. Arguments: model directory, [tokens].
#include <cstdlib>

#include "cpu/cpu_bench.hpp"
#include "cuda/cuda_runner.hpp"
#include "divergence.hpp"

using namespace troupe;
using namespace troupe::bench;

namespace {

constexpr std::uint32_t rows_at_once = 64;

void set_limits(runner_options& options, std::uint32_t num_tokens) {
  options.max_num_seqs = 1;
  options.max_num_batched_tokens = options.max_num_logit_rows = rows_at_once;
  options.max_model_len = num_tokens + 1;
  options.num_pages = num_tokens / page_size_tokens + 2;
}

std::vector<token_id> write_text(model_runner& runner, std::uint32_t num_tokens) {
  std::vector<token_id> tokens{1};
  while (tokens.size() < num_tokens) {
    step_batch batch = chunk_of(tokens, static_cast<std::uint32_t>(tokens.size()) - 1, 1, true);
    for (slot_start& start : batch.starts) start.sampling.seed = 1;
    tokens.push_back(runner.run(batch).samples.at(0).sampled.token);
  }
  return tokens;
}

// By chunks of so many tokens.
std::vector<float> logits_of(model_runner& runner, const std::vector<token_id>& tokens,
                             std::uint32_t chunk) {
  const auto length = static_cast<std::uint32_t>(tokens.size());
  std::vector<float> out;
  for (std::uint32_t first = 0; first < length; first += chunk) {
    const auto rows =
        runner.run_for_logits(chunk_of(tokens, first, std::min(chunk, length - first), false));
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

struct source {
  model_config config;
  model_weights weights;
};

std::vector<float> emulated(const source& from, const std::vector<token_id>& tokens,
                            cuda_runner_options options) {
  set_limits(options, static_cast<std::uint32_t>(tokens.size()));
  options.measure_gemms = false;
  const auto ranks =
      make_model_runners(value_of(load_cuda_model(from.config, from.weights, options)));
  return logits_of(*ranks[0], tokens, rows_at_once);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("emulated_accuracy MODEL_DIR [tokens]\n", stderr), 2;
  const auto num_tokens = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 256);
  source from;
  from.config = value_of(read_model_config(argv[1]));
  from.weights = value_of(load_weights(argv[1], from.config));
  cpu_runner_options on_cpu;
  on_cpu.type = dtype::float32;
  set_limits(on_cpu, num_tokens);
  const auto cpu = make_model_runners(value_of(load_cpu_model(from.config, from.weights, on_cpu)));
  const auto text = write_text(*cpu[0], num_tokens);
  const auto exact = logits_of(*cpu[0], text, rows_at_once);
  const std::size_t vocab = from.config.vocab_size;
  const auto plain = emulated(from, text, {});
  print_divergence("bfloat16 against float32", exact, plain, vocab);
  cuda_runner_options bytes;
  bytes.kv = cuda::kv_format::e4m3;
  const auto over_bytes = emulated(from, text, bytes);
  print_divergence("fp8 KV against float32", exact, over_bytes, vocab);
  print_divergence("fp8 KV against bfloat16", plain, over_bytes, vocab);
  cuda_runner_options integers;
  integers.has_byte_weights = true;
  print_divergence("int8 weights against float32", exact, emulated(from, text, integers), vocab);
  integers.kv = cuda::kv_format::e4m3;
  print_divergence("int8 weights, fp8 KV", exact, emulated(from, text, integers), vocab);
  return 0;
}
