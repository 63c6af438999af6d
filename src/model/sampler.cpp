#include "model/sampler.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "model/philox.hpp"
#include "model/runner.hpp"

namespace troupe {
namespace {

bool wants_uses(const sampling_params& params) {
  return params.repetition_penalty != 1.0F || params.presence_penalty != 0.0F ||
         params.frequency_penalty != 0.0F;
}

constexpr float impossible = -std::numeric_limits<float>::infinity();

constexpr std::size_t word_bits = 32;

constexpr auto bits = [] {
  std::array<std::uint32_t, word_bits> all{};
  for (std::size_t i = 0; i < word_bits; ++i) all[i] = 1U << i;
  return all;
}();

// Computed for all and then selected: a loop without branches is one of vectors.
void apply_word(std::uint32_t word, float* row) {
  for (std::size_t i = 0; i < word_bits; ++i) row[i] = (word & bits[i]) != 0 ? row[i] : impossible;
}

void renew_maximum(choice_scratch& scratch, std::size_t block) {
  const std::size_t first = block * choice_block;
  const std::span<const float> logits(scratch.logits);
  scratch.block_maxima[block] =
      highest_of(logits.subspan(first, std::min(choice_block, logits.size() - first)));
}

static_assert(word_bits == choice_block);

void apply_mask(std::span<const std::uint32_t> mask, choice_scratch& scratch) {
  std::vector<float>& logits = scratch.logits;
  const std::size_t num_whole = std::min(mask.size(), logits.size() / word_bits);
  for (std::size_t word = 0; word < num_whole; ++word) {
    if (mask[word] == ~0U) continue;
    apply_word(mask[word], &logits[word_bits * word]);
    renew_maximum(scratch, word);
  }
  if (num_whole == mask.size()) return;
  for (std::size_t i = word_bits * num_whole; i < logits.size(); ++i) {
    if ((mask[num_whole] & bits[i % word_bits]) == 0) logits[i] = impossible;
  }
  renew_maximum(scratch, num_whole);
}

void penalise(const sampling_params& params, std::uint32_t num_outputs, float& logit) {
  if (logit > 0) {
    logit /= params.repetition_penalty;
  } else {
    logit *= params.repetition_penalty;
  }
  if (num_outputs == 0) return;
  logit -= params.presence_penalty;
  logit -= params.frequency_penalty * static_cast<float>(num_outputs);
}

// Log-softmax of the raw logits: the chosen token's, and the most likely ones'.
void add_logprobs(std::span<const float> logits, std::uint32_t num_logprobs, sampled_token& out) {
  const double log_sum = log_sum_exp(logits);
  const auto logprob = [log_sum](float logit) { return static_cast<float>(logit - log_sum); };
  out.logprob = logprob(logits[static_cast<std::size_t>(out.token)]);
  out.most_likely = highest_logits(logits, num_logprobs);
  for (token_logprob& entry : out.most_likely) entry.logprob = logprob(entry.logprob);
}

}  // namespace

sampler::sampler(sampler_options options)
    : options_(std::move(options)), slots_(options_.max_num_seqs) {}

void sampler::start(const slot_start& start) {
  slot_state& slot = slots_[start.slot];
  slot.params = start.sampling;
  slot.impossible_at_first = options_.eos_token_ids;
  slot.impossible_at_first.insert(slot.impossible_at_first.end(),
                                  start.sampling.stop_token_ids.begin(),
                                  start.sampling.stop_token_ids.end());
  slot.position = start.history.size();
  slot.num_outputs = start.history.size() - start.num_prompt_tokens;
  slot.uses.clear();
  slot.counts_uses = wants_uses(start.sampling);
  if (slot.counts_uses) start_uses(slot, start);
}

void sampler::start_uses(slot_state& slot, const slot_start& start) const {
  const auto uses = static_cast<std::size_t>(start.sampling.max_tokens) + start.history.size();
  // All that there will be: a step allocates nothing.
  slot.uses.reserve(std::min<std::size_t>(uses, options_.num_tokens));
  for (const token_id token : start.history) slot.uses.push_back({token, 0});
  std::ranges::sort(slot.uses, {}, &token_use::token);
  const auto repeated = std::ranges::unique(slot.uses, {}, &token_use::token);
  slot.uses.erase(repeated.begin(), repeated.end());
  for (std::size_t i = start.num_prompt_tokens; i < start.history.size(); ++i) {
    ++use_of(slot, start.history[i]).num_outputs;
  }
}

sampler::token_use& sampler::use_of(slot_state& slot, token_id token) {
  auto at = std::ranges::lower_bound(slot.uses, token, {}, &token_use::token);
  if (at == slot.uses.end() || at->token != token) at = slot.uses.insert(at, {token, 0});
  return *at;
}

bool sampler::adjusts(const slot_state& slot) const {
  return !slot.params.logit_bias.empty() || slot.num_outputs < slot.params.min_tokens ||
         !slot.uses.empty();
}

void sampler::adjust(const slot_state& slot, choice_scratch& scratch) const {
  std::vector<float>& logits = scratch.logits;
  const auto known = [&](token_id t) {
    return t >= 0 && static_cast<std::size_t>(t) < logits.size();
  };
  const auto block_of = [](token_id t) { return static_cast<std::size_t>(t) / choice_block; };
  for (const auto& [token, bias] : slot.params.logit_bias) {
    if (!known(token)) continue;
    logits[static_cast<std::size_t>(token)] += bias;
    renew_maximum(scratch, block_of(token));
  }
  if (slot.num_outputs < slot.params.min_tokens) {
    for (token_id token : slot.impossible_at_first) {
      if (!known(token)) continue;
      logits[static_cast<std::size_t>(token)] = impossible;
      renew_maximum(scratch, block_of(token));
    }
  }
  // In the order of ids: a block is done when the next one begins.
  std::size_t changed = scratch.block_maxima.size();
  for (const auto& [token, num_outputs] : slot.uses) {
    if (!known(token)) continue;
    penalise(slot.params, num_outputs, logits[static_cast<std::size_t>(token)]);
    if (changed < block_of(token)) renew_maximum(scratch, changed);
    changed = block_of(token);
  }
  if (changed < scratch.block_maxima.size()) renew_maximum(scratch, changed);
}

logit_row sampler::adjusted(const slot_state& slot, const logit_row& raw,
                            std::span<const std::uint32_t> mask, choice_scratch& scratch) const {
  scratch.logits.assign(raw.logits.begin(), raw.logits.end());
  scratch.block_maxima.assign(raw.block_maxima.begin(), raw.block_maxima.end());
  apply_mask(mask, scratch);
  adjust(slot, scratch);
  return {scratch.logits, scratch.block_maxima};
}

// What a row gets whose mask allows only what min_tokens forbids.
token_id sampler::last_resort(std::span<const std::uint32_t> mask, token_id chosen) const {
  for (std::size_t word = 0; word < mask.size(); ++word) {
    if (mask[word] == 0) continue;
    return static_cast<token_id>(32 * word) + std::countr_zero(mask[word]);
  }
  return options_.eos_token_ids.empty() ? chosen : options_.eos_token_ids.front();
}

sampled_token sampler::sample(slot_idx slot, std::span<const float> logits,
                              std::span<const std::uint32_t> mask, choice_scratch& scratch) {
  const logit_row known = with_maxima(logits.first(options_.num_tokens), scratch.row_maxima);
  return sample(slot, logit_row{logits, known.block_maxima}, mask, scratch);
}

token_id sampler::choose(const slot_state& slot, const logit_row& all,
                         std::span<const std::uint32_t> mask, choice_scratch& scratch) const {
  const sampling_params& params = slot.params;
  logit_row row{all.logits.first(options_.num_tokens),
                all.block_maxima.first(num_choice_blocks(options_.num_tokens))};
  const bool is_adjusted = adjusts(slot);
  if (!mask.empty() && !is_adjusted && is_greedy(params.temperature)) {
    if (const auto found = most_likely(row, mask)) return *found;
  }
  if (!mask.empty() || is_adjusted) row = adjusted(slot, row, mask, scratch);
  const token_id token =
      choose_token(row, {params.temperature, params.top_p, params.top_k, params.min_p},
                   random_bits(params.seed, slot.position), scratch);
  if (row.logits[static_cast<std::size_t>(token)] > impossible) return token;
  // Any token would be made up.
  if (std::ranges::any_of(all.logits, [](float x) { return std::isnan(x); }))
    throw device_error("The model's logits are no numbers.");
  return last_resort(mask, token);
}

sampled_token sampler::sample(slot_idx slot_index, const logit_row& row,
                              std::span<const std::uint32_t> mask, choice_scratch& scratch) {
  slot_state& slot = slots_[slot_index];
  sampled_token out;
  out.token = choose(slot, row, mask, scratch);
  if (slot.params.num_logprobs >= 0) {
    add_logprobs(row.logits, static_cast<std::uint32_t>(slot.params.num_logprobs), out);
  }
  ++slot.position;
  ++slot.num_outputs;
  if (slot.counts_uses) ++use_of(slot, out.token).num_outputs;
  return out;
}

}  // namespace troupe
