// What an executor is told to do in one step, and what it answers. The batcher writes it, the
// runner (model/runner.hpp) performs it; neither knows the other.
#pragma once
#include "core/id.hpp"
#include "core/request.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

inline constexpr std::uint32_t page_size_tokens = 16;

// Which position embedding a sequence runs with (see model/rope.hpp).
enum class rope_kind : std::uint8_t { plain, scaled };

// A sequence takes a slot. Everything that the sampler must know and that no later step repeats.
struct slot_start {
  slot_idx slot = 0;
  sampling_params sampling;
  // Prompt, then what was generated before a preemption: [num_prompt_tokens + num_generated].
  std::vector<token_id> history;
  std::uint32_t num_prompt_tokens = 0;
  rope_kind rope = rope_kind::plain;
};

// The tokens that may come next, one bit each, token i in bit i % 32 of word i / 32. Plain words,
// so that a device can upload them: [mask_words(engine_limits::vocab_size)].
using token_mask = std::vector<std::uint32_t>;
using token_mask_ptr = std::shared_ptr<const token_mask>;

constexpr std::size_t mask_words(std::uint32_t vocab_size) {
  return (std::size_t{vocab_size} + 31) / 32;
}

inline constexpr std::uint32_t no_mask = ~0U;

// One sequence's rows in a step: `num_tokens` consecutive positions from `first_position`.
struct chunk {
  slot_idx slot = 0;
  std::uint32_t first_token_idx = 0;  // into step_batch::tokens
  std::uint32_t num_tokens = 0;
  std::uint32_t first_position = 0;
  std::uint32_t first_page_idx = 0;  // into step_batch::page_table
  std::uint32_t num_pages = 0;       // covers positions 0 .. first_position + num_tokens - 1
  bool sample = false;               // the last row's logits choose a token
  std::uint32_t mask_idx = no_mask;  // into step_batch::masks; only with `sample`
  // The last tokens of the chunk are guesses at what its slot samples; only with `sample`, without
  // a mask. Every row from the one before the first guess on samples in turn, until a choice is not
  // the guess that follows; what comes behind that one is as if it had never been there.
  std::uint32_t num_drafts = 0;
};

// The token at this place is the one that the slot sampled last; the host may not know it yet.
inline constexpr token_id last_sampled = -1;

struct step_batch {
  step_id id;
  std::vector<slot_start> starts;  // before any chunk of this step
  std::vector<chunk> chunks;
  std::vector<token_id> tokens;      // [num_tokens], all chunks back to back
  std::vector<page_idx> page_table;  // all chunks back to back
  // Of the chunks that sample under a constraint. Null: promised, it comes before they sample.
  std::vector<token_mask_ptr> masks;
};

inline std::size_t num_promised_masks(const step_batch& batch) {
  return static_cast<std::size_t>(std::ranges::count(batch.masks, nullptr));
}

// The masks that a step was promised, in its order. Null: that chunk does not sample after all.
struct step_masks {
  step_id id;
  std::vector<token_mask_ptr> masks;
};

struct slot_sample {
  slot_idx slot = 0;
  sampled_token sampled;
};

struct step_result {
  step_id id;
  // In the order of the chunks that sample: one each, and one more for every right draft.
  std::vector<slot_sample> samples;
};

}  // namespace troupe
