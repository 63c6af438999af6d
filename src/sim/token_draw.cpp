#include "sim/token_draw.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <utility>

#include "model/philox.hpp"
#include "model/token_choice.hpp"

namespace troupe {
namespace {

// splitmix64's mixer, token by token.
std::uint64_t hash_prompt(std::span<const token_id> prompt) {
  std::uint64_t h = prompt.size();
  for (const token_id token : prompt) {
    h += 0x9e3779b97f4a7c15ULL + static_cast<std::uint32_t>(token);
    h = (h ^ (h >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ (h >> 27U)) * 0x94d049bb133111ebULL;
    h ^= h >> 31U;
  }
  return h;
}

bool contains(std::span<const token_id> list, token_id token) {
  return std::ranges::find(list, token) != list.end();
}

std::vector<token_id> allowed_by(const token_mask& mask) {
  std::vector<token_id> out;
  for (std::size_t word = 0; word < mask.size(); ++word) {
    for (std::uint32_t bits = mask[word]; bits != 0; bits &= bits - 1) {
      out.push_back(static_cast<token_id>(32 * word) + std::countr_zero(bits));
    }
  }
  return out;
}

// The next one that is no stop token; `first` itself where all are.
std::size_t skip_stops(std::span<const token_id> list, std::size_t first,
                       std::span<const token_id> stops) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::size_t place = (first + i) % list.size();
    if (!contains(stops, list[place])) return place;
  }
  return first;
}

void add_logprobs(std::span<const token_id> list, std::int32_t num_logprobs, sampled_token& out) {
  out.logprob = -std::log(static_cast<float>(list.size()));
  const auto num_likely = std::min(list.size(), static_cast<std::size_t>(num_logprobs));
  for (const token_id token : list.first(num_likely)) {
    out.most_likely.push_back({token, out.logprob});
  }
}

}  // namespace

token_draw::token_draw(drawable_tokens tokens, std::uint32_t max_num_seqs)
    : tokens_(std::move(tokens)), slots_(max_num_seqs) {}

void token_draw::start(const slot_start& start) {
  const sampling_params& sampling = start.sampling;
  const std::uint64_t prompt = hash_prompt(std::span(start.history).first(start.num_prompt_tokens));
  const std::uint64_t seed = sampling.temperature < greedy_temperature ? 0 : sampling.seed;
  slots_[start.slot] = {.key = prompt ^ random_bits(seed, 0),
                        .position = start.history.size(),
                        .num_outputs = start.history.size() - start.num_prompt_tokens,
                        .min_tokens = sampling.min_tokens,
                        .num_logprobs = sampling.num_logprobs,
                        .stop_token_ids = sampling.stop_token_ids};
}

std::vector<token_id> token_draw::candidates(const slot_state& slot, const token_mask& mask) const {
  std::vector<token_id> all = allowed_by(mask);
  const auto is_eos = [&](token_id token) { return contains(tokens_.eos_token_ids, token); };
  const auto end = std::ranges::find_if(all, is_eos);
  if (end == all.end()) return all;
  if (slot.num_outputs >= slot.min_tokens) return {*end};
  std::vector<token_id> others;
  std::ranges::remove_copy_if(all, std::back_inserter(others), is_eos);
  return others.empty() ? all : others;
}

sampled_token token_draw::draw(slot_idx which, const token_mask* mask) {
  slot_state& slot = slots_[which];
  const std::vector<token_id> under_mask = mask ? candidates(slot, *mask) : std::vector<token_id>();
  const std::vector<token_id>& list = under_mask.empty() ? tokens_.plain : under_mask;
  std::size_t place = random_bits(slot.key, slot.position) % list.size();
  if (slot.num_outputs < slot.min_tokens) place = skip_stops(list, place, slot.stop_token_ids);
  sampled_token out{.token = list[place]};
  if (slot.num_logprobs >= 0) add_logprobs(list, slot.num_logprobs, out);
  ++slot.position;
  ++slot.num_outputs;
  return out;
}

}  // namespace troupe
