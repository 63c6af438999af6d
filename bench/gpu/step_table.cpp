// Whole steps: the model on its device, as an executor drives it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <stdexcept>

#include "gpu/loaded_engine.hpp"

namespace troupe::bench {
namespace {

using clock = std::chrono::steady_clock;

// A prompt's pages come from here downwards.
constexpr page_idx pages_of_prompt = 4;

double seconds_since(clock::time_point start) {
  return std::chrono::duration<double>(clock::now() - start).count();
}

// Room for the tokens of all measured steps.
std::uint32_t pages_of_each(const step_case& one) {
  return (one.context + one.chunk + 64) / page_size_tokens + 1;
}

cuda_runner_options options_for(const engine_options& wanted, const model_config& config) {
  cuda_runner_options out;
  out.tp_size = wanted.tp_size;
  out.ranks_share_gpu = wanted.tp_size > 1;
  out.deterministic = wanted.deterministic;
  out.has_byte_weights = wanted.has_byte_weights;
  out.kv = wanted.has_byte_pages ? cuda::kv_format::e4m3 : cuda::kv_format::bf16;
  if (wanted.has_wgmma_prefill) out.prefill = cuda::prefill_kernel::wgmma;
  const bool is_tiny = wanted.shape.starts_with("tiny");
  out.measure_gemms = !is_tiny;
  out.load_threads = is_tiny ? 1 : 8;
  out.max_num_seqs = is_tiny ? 4 : 256;
  out.max_num_batched_tokens = is_tiny ? 32 : 2048;
  out.max_num_logit_rows = is_tiny ? 32 : 256;
  out.max_model_len = is_tiny ? 128 : 32768;
  for (const step_case& one : cases_for(wanted.shape)) {
    out.num_pages = std::max(out.num_pages, one.sequences * pages_of_each(one));
  }
  out.num_tokens = config.vocab_size;
  return out;
}

token_id some_token(std::uint32_t i, const model_config& config) {
  return static_cast<token_id>((i * 7919U + 13U) % config.vocab_size);
}

slot_start start_of(slot_idx slot, const model_config& config) {
  sampling_params sampling;
  sampling.seed = slot;
  return {slot, sampling, {some_token(slot, config)}, 1, rope_kind::plain};
}

// A part of one sequence's context.
step_batch context_of(const step_case& one, slot_idx slot, std::uint32_t first, std::uint32_t count,
                      const model_config& config) {
  step_batch batch;
  const std::uint32_t pages = (first + count + page_size_tokens - 1) / page_size_tokens;
  if (first == 0) batch.starts.push_back(start_of(slot, config));
  batch.chunks.push_back({slot, 0, count, first, 0, pages, false});
  for (std::uint32_t i = 0; i < count; ++i) {
    batch.tokens.push_back(some_token(slot + first + i, config));
  }
  for (std::uint32_t p = 0; p < pages; ++p) {
    batch.page_table.push_back(slot * pages_of_each(one) + p);
  }
  return batch;
}

// What stands in the pages before may be no numbers, and zeros would be faster than any model.
void compute_contexts(loaded_engine& target, const step_case& one) {
  const std::uint32_t room = target.limits().max_num_batched_tokens;
  for (slot_idx slot = 0; slot < one.sequences; ++slot) {
    for (std::uint32_t first = 0; first < one.context; first += room) {
      target.run(
          context_of(one, slot, first, std::min(room, one.context - first), target.config()));
    }
  }
}

// Every sequence's next chunk, `done` tokens after its context.
step_batch make_batch(const step_case& one, std::uint32_t done, const model_config& config) {
  step_batch batch;
  const std::uint32_t pages_each = pages_of_each(one);
  for (slot_idx slot = 0; slot < one.sequences; ++slot) {
    const std::uint32_t first = one.context + done;
    const std::uint32_t pages = (first + one.chunk + page_size_tokens - 1) / page_size_tokens;
    batch.chunks.push_back({slot, slot * one.chunk, one.chunk, first,
                            static_cast<std::uint32_t>(batch.page_table.size()), pages, true});
    for (std::uint32_t i = 0; i < one.chunk; ++i) {
      batch.tokens.push_back(done > 0 ? last_sampled : some_token(slot + i, config));
    }
    for (std::uint32_t p = 0; p < pages; ++p) batch.page_table.push_back(slot * pages_each + p);
    if (done == 0) batch.starts.push_back(start_of(slot, config));
  }
  return batch;
}

void measure_step(loaded_engine& target, const step_case& one) {
  compute_contexts(target, one);
  const bool is_decode = one.chunk == 1;
  const std::uint32_t num_steps = is_decode ? 48 : 5;
  std::vector<double> spent;
  for (std::uint32_t i = 0; i < num_steps; ++i) {
    const step_batch batch = make_batch(one, is_decode ? i : 0, target.config());
    const auto start = clock::now();
    target.run(batch);
    spent.push_back(1000 * seconds_since(start));
  }
  // The first ones record graphs and load kernels.
  spent.erase(spent.begin(), spent.begin() + num_steps / 4);
  std::ranges::sort(spent);
  const double median = spent[spent.size() / 2];
  print_row({"step", is_decode ? "decode" : "prefill",
             "seqs=" + std::to_string(one.sequences) + " context=" + std::to_string(one.context) +
                 " rows=" + std::to_string(one.sequences * one.chunk),
             number(median, 3), number(spent.back(), 3),
             number(1000.0 * one.sequences * one.chunk / median)});
}

}  // namespace

std::vector<step_case> cases_for(const std::string& shape) {
  if (shape.starts_with("tiny")) return {{1, 32}, {4, 32}, {1, 0, 32}};
  return {{1, 512},    {8, 512},     {16, 512},       {64, 1024},      {256, 1024},
          {16, 32700}, {1, 0, 2048}, {1, 6144, 2048}, {1, 30704, 2048}};
}

loaded_engine::loaded_engine(const engine_options& options) : config_(shape_named(options.shape)) {
  auto start = clock::now();
  const model_weights weights = value_of(make_dummy_weights(config_, 1));
  const double made = seconds_since(start);
  start = clock::now();
  limits_ = options_for(options, config_);
  model_ = value_of(load_cuda_model(config_, weights, limits_));
  ranks_ = make_model_runners(model_);
  print_row({"load", options.shape, number(made) + " s to make the weights",
             number(seconds_since(start)) + " s to bring them there and to choose"});
}

step_result loaded_engine::run(const step_batch& batch) {
  return on_all([&](model_runner& rank) { return rank.run(batch); });
}

std::vector<float> loaded_engine::logits(const step_batch& batch) {
  return on_all([&](model_runner& rank) { return rank.run_for_logits(batch); });
}

std::vector<token_id> prompt_for(const model_config& config, std::uint32_t count) {
  std::vector<token_id> out;
  for (std::uint32_t i = 0; i < count; ++i) out.push_back(some_token(i, config));
  return out;
}

step_batch chunk_of(const std::vector<token_id>& tokens, std::uint32_t first, std::uint32_t count) {
  step_batch batch;
  const std::uint32_t pages = (first + count + page_size_tokens - 1) / page_size_tokens;
  if (first == 0) {
    batch.starts.push_back(
        {0, {}, tokens, static_cast<std::uint32_t>(tokens.size()), rope_kind::plain});
  }
  batch.chunks.push_back({0, 0, count, first, 0, pages, true});
  batch.tokens.assign(tokens.begin() + first, tokens.begin() + first + count);
  for (std::uint32_t p = 0; p < pages; ++p) batch.page_table.push_back(pages_of_prompt - p);
  return batch;
}

std::vector<float> logits_in_chunks(loaded_engine& target, const std::vector<token_id>& tokens,
                                    std::uint32_t chunk) {
  std::vector<float> out;
  const auto total = static_cast<std::uint32_t>(tokens.size());
  for (std::uint32_t first = 0; first < total; first += chunk) {
    const auto rows = target.logits(chunk_of(tokens, first, std::min(chunk, total - first)));
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

void measure_steps(const engine_options& options) {
  loaded_engine target(options);
  for (const step_case& one : cases_for(options.shape)) measure_step(target, one);
}

void check_invariance(const engine_options& options) {
  loaded_engine target(options);
  const auto tokens = prompt_for(target.config(), 24);
  const auto count = static_cast<std::uint32_t>(tokens.size());
  const auto alone = target.logits(chunk_of(tokens, 0, count));
  const auto stepwise = logits_in_chunks(target, tokens, 1);
  // Beside a chunk of another sequence, as long as the step allows.
  const std::uint32_t room =
      std::min(target.limits().max_num_batched_tokens, target.limits().max_num_logit_rows) - count;
  step_batch together = chunk_of(tokens, 0, count);
  const auto others = prompt_for(target.config(), room);
  step_batch beside = chunk_of(others, 0, room);
  beside.starts[0].slot = beside.chunks[0].slot = 1;
  beside.chunks[0].first_token_idx = count;
  beside.chunks[0].first_page_idx = static_cast<std::uint32_t>(together.page_table.size());
  together.starts.push_back(beside.starts[0]);
  together.chunks.push_back(beside.chunks[0]);
  together.tokens.insert(together.tokens.end(), others.begin(), others.end());
  for (page_idx p = 0; p < beside.page_table.size(); ++p) {
    together.page_table.push_back(pages_of_prompt + 1 + p);
  }
  const auto among = target.logits(together);
  const auto is_same = [&](const std::vector<float>& other) {
    return std::equal(alone.begin(), alone.end(), other.begin()) ? "same bits" : "other bits";
  };
  double largest = 0;
  double apart = 0;
  for (std::size_t i = 0; i < alone.size(); ++i) {
    largest = std::max<double>(largest, std::abs(alone[i]));
    apart = std::max<double>(apart, std::abs(alone[i] - among[i]));
  }
  print_row({"invariance", options.deterministic ? "deterministic" : "default",
             "beside " + std::to_string(room) + " other rows: " + is_same(among) + ", at most " +
                 number(apart / largest, 6) + " of the largest logit apart",
             std::string("token by token: ") + is_same(stepwise)});
}

void write_logits(const engine_options& options) {
  loaded_engine target(options);
  const std::uint32_t count = std::min(target.limits().max_num_batched_tokens / 2,
                                       std::min(64U, target.limits().max_num_logit_rows));
  const auto tokens = prompt_for(target.config(), count);
  const auto logits = target.logits(chunk_of(tokens, 0, count));
  std::ofstream out(options.out_file, std::ios::binary);
  const auto num_tokens = static_cast<std::uint32_t>(tokens.size());
  out.write(reinterpret_cast<const char*>(&num_tokens), sizeof num_tokens);
  out.write(reinterpret_cast<const char*>(tokens.data()),
            static_cast<std::streamsize>(tokens.size() * sizeof(token_id)));
  out.write(reinterpret_cast<const char*>(logits.data()),
            static_cast<std::streamsize>(logits.size() * sizeof(float)));
  if (!out) throw std::runtime_error("cannot write " + options.out_file);
  print_row({"logits", options.out_file, std::to_string(tokens.size()) + " rows"});
}

}  // namespace troupe::bench
