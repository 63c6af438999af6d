// The running state of one admitted request: which tokens exist, which of them were sent to the
// executor, which pages hold their keys and values.
#pragma once
#include "core/batch.hpp"
#include "core/prompt_lookup.hpp"
#include "core/request.hpp"
#include "core/retry.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

struct sequence {
  generation_request request;
  std::vector<token_id> generated;  // known to the host
  std::vector<page_idx> pages;
  slot_idx slot = 0;
  rope_kind rope = rope_kind::plain;
  bool slot_started = false;          // the executor knows this slot's sampling and history
  std::uint32_t num_scheduled = 0;    // positions whose rows were sent, or whose pages were cached
  std::uint32_t num_in_flight = 0;    // tokens being sampled by steps that have not come back
  bool has_drafts_in_flight = false;  // and perhaps more of them
  std::uint32_t num_computed = 0;     // positions whose keys and values are in the pages
  std::uint32_t num_reported = 0;     // tokens that the page_manager has been told
  std::uint32_t num_reported_pages = 0;
  std::uint32_t num_cached_tokens = 0;  // of the prompt at its first admission
  std::uint32_t num_preemptions = 0;
  failure_record failures;  // a suspect is one until its next token
  std::uint64_t epoch = 0;  // of the admission: older results are not ours
  prompt_lookup lookup;
  token_mask_ptr mask;    // what the next sampled token may be; null: not known, or anything
  bool sits_out = false;  // its mask was late for a step: it samples when the mask is there
  steady_time admitted{}, first_token{}, last_token{};

  std::uint32_t num_prompt() const { return static_cast<std::uint32_t>(request.prompt.size()); }
  std::uint32_t num_generated() const { return static_cast<std::uint32_t>(generated.size()); }
  std::uint32_t num_known() const { return num_prompt() + num_generated(); }
  // Known tokens and those that steps in flight will have sampled.
  std::uint32_t length() const { return num_known() + num_in_flight; }
  bool wants_tokens() const {
    return num_generated() + num_in_flight < request.sampling.max_tokens;
  }
  // Rows that can be sent now. Behind drafts nobody knows their positions.
  std::uint32_t num_remaining() const {
    if (!wants_tokens() || has_drafts_in_flight) return 0;
    return length() - num_scheduled - (sits_out ? 1 : 0);
  }
  // True if the last of the next `num_tokens` rows is the one whose logits choose a token.
  bool samples_after(std::uint32_t num_tokens) const {
    return num_scheduled + num_tokens == length();
  }
  bool is_decoding() const { return num_remaining() == 1 && num_scheduled >= num_prompt(); }
  token_history history() const { return {request.prompt, generated}; }
  token_id token_at(std::uint32_t position) const {
    if (position < num_prompt()) return request.prompt[position];
    position -= num_prompt();
    return position < num_generated() ? generated[position] : last_sampled;
  }
};

constexpr std::uint32_t pages_for(std::uint64_t num_tokens) {
  return static_cast<std::uint32_t>((num_tokens + page_size_tokens - 1) / page_size_tokens);
}

}  // namespace troupe
