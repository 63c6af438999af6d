// The meaning of sampling_params, for every sequence that has a slot. Per row, in this order:
//   1. what the row's token mask does not allow is impossible, whatever follows
//   2. logit_bias is added
//   3. below min_tokens, the eos and stop ids are impossible
//   4. repetition_penalty divides positive and multiplies other logits of every token of prompt and
//      output, as Hugging Face does
//   5. presence_penalty, and frequency_penalty times the count, are subtracted for tokens of the
//      output, as OpenAI does
//   6. temperature, top_k, top_p, min_p, and the draw: model/token_choice.hpp
// The random number depends on (seed, position) alone: model/philox.hpp. Ids that the tokenizer
// does not know, above its vocabulary, are never chosen. Logprobs are of the raw logits, before 1.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/batch.hpp"
#include "model/token_choice.hpp"

namespace troupe {

struct sampler_options {
  std::uint32_t num_tokens = 0;  // ids that the tokenizer knows: 0 .. num_tokens - 1
  std::uint32_t max_num_seqs = 0;
  std::vector<token_id> eos_token_ids;
};

class sampler {
 public:
  explicit sampler(sampler_options options);

  // Takes the slot over. Restores everything from the history, so a preempted sequence goes on as
  // if nothing had happened. slot < max_num_seqs.
  void start(const slot_start& start);

  // Chooses the slot's next token from the row's [vocab_size >= num_tokens] logits and counts it;
  // the maxima are of the first num_tokens ids alone. Rows of different slots may be sampled by
  // different threads, each with its own scratch. `mask` is empty (any token) or
  // [mask_words(num_tokens)] with a bit for each token that may come. A row in which nothing is
  // possible yields the lowest id of its mask, or without one the first eos id; one of NaN throws
  // device_error.
  sampled_token sample(slot_idx slot, const logit_row& row, std::span<const std::uint32_t> mask,
                       choice_scratch& scratch);
  // The same, and finds the maxima.
  sampled_token sample(slot_idx slot, std::span<const float> logits,
                       std::span<const std::uint32_t> mask, choice_scratch& scratch);

 private:
  struct token_use {
    token_id token = 0;
    std::uint32_t num_outputs = 0;  // how often it is in the output
  };
  struct slot_state {
    sampling_params params;
    std::vector<token_id> impossible_at_first;  // eos and stop ids, below min_tokens
    std::uint64_t position = 0;                 // tokens so far, prompt and output
    std::uint64_t num_outputs = 0;
    // Every token of prompt and output, sorted; kept only if a penalty wants it.
    std::vector<token_use> uses;
    bool counts_uses = false;
  };

  void start_uses(slot_state& slot, const slot_start& start) const;
  static token_use& use_of(slot_state& slot, token_id token);
  bool adjusts(const slot_state& slot) const;
  void adjust(const slot_state& slot, choice_scratch& scratch) const;
  logit_row adjusted(const slot_state& slot, const logit_row& raw,
                     std::span<const std::uint32_t> mask, choice_scratch& scratch) const;
  token_id choose(const slot_state& slot, const logit_row& all, std::span<const std::uint32_t> mask,
                  choice_scratch& scratch) const;
  token_id last_resort(std::span<const std::uint32_t> mask, token_id chosen) const;

  sampler_options options_;
  std::vector<slot_state> slots_;  // [max_num_seqs]
};

}  // namespace troupe
