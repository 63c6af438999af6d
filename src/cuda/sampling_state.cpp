#include "cuda/sampling_state.hpp"

#include <algorithm>

namespace troupe::cuda {
namespace {

bool wants_uses(const sampling_params& params) {
  return params.repetition_penalty != 1.0F || params.presence_penalty != 0.0F ||
         params.frequency_penalty != 0.0F;
}

std::vector<token_use> count_uses(const slot_start& start) {
  std::vector<token_use> uses;
  uses.reserve(start.history.size());
  for (const token_id token : start.history) uses.push_back({token, 0});
  std::ranges::sort(uses, {}, &token_use::token);
  const auto repeated = std::ranges::unique(uses, {}, &token_use::token);
  uses.erase(repeated.begin(), repeated.end());
  for (std::size_t i = start.num_prompt_tokens; i < start.history.size(); ++i) {
    ++std::ranges::lower_bound(uses, start.history[i], {}, &token_use::token)->num_outputs;
  }
  return uses;
}

}  // namespace

slot_image make_slot_image(const slot_start& start, std::span<const token_id> eos_token_ids,
                           std::uint32_t num_tokens) {
  const sampling_params& params = start.sampling;
  const auto is_known = [num_tokens](token_id token) {
    return token >= 0 && static_cast<std::uint32_t>(token) < num_tokens;
  };
  slot_image image;
  for (const auto& [token, bias] : params.logit_bias) {
    if (is_known(token)) image.biases.push_back({token, bias});
  }
  std::ranges::copy_if(eos_token_ids, std::back_inserter(image.impossible), is_known);
  std::ranges::copy_if(params.stop_token_ids, std::back_inserter(image.impossible), is_known);
  if (wants_uses(params)) {
    image.uses = count_uses(start);
    const auto most = static_cast<std::uint64_t>(params.max_tokens) + start.history.size();
    // History may hold ids that the tokenizer does not know.
    image.max_uses = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(most, std::uint64_t{num_tokens} + image.uses.size()));
  }
  sampling_slot& slot = image.slot;
  slot.temperature = params.temperature;
  slot.top_p = params.top_p;
  slot.min_p = params.min_p;
  slot.top_k = params.top_k;
  slot.presence_penalty = params.presence_penalty;
  slot.frequency_penalty = params.frequency_penalty;
  slot.repetition_penalty = params.repetition_penalty;
  slot.num_logprobs = params.num_logprobs;
  slot.seed = params.seed;
  slot.position = start.history.size();
  slot.num_outputs = start.history.size() - start.num_prompt_tokens;
  slot.min_tokens = params.min_tokens;
  slot.counts_uses = wants_uses(params) ? 1 : 0;
  slot.num_uses = static_cast<std::uint32_t>(image.uses.size());
  slot.num_biases = static_cast<std::uint32_t>(image.biases.size());
  slot.num_impossible = static_cast<std::uint32_t>(image.impossible.size());
  return image;
}

}  // namespace troupe::cuda
