// Refuses a step that a device could not perform safely: every index is checked before any is used.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/batch.hpp"

namespace troupe {

struct batch_limits {
  std::uint32_t max_num_seqs = 0;
  std::uint32_t max_num_rows = 0;
  std::uint32_t max_num_logit_rows = 0;
  std::uint32_t max_model_len = 0;
  std::uint32_t num_pages = 0;
  std::uint32_t vocab_size = 0;
  std::uint32_t num_choosable_tokens = 0;  // ids that the tokenizer knows: a mask's bits
};

// What the runner remembers of its slots from step to step, to tell whether a step makes sense.
class batch_check {
 public:
  explicit batch_check(const batch_limits& limits);

  // Throws device_error, one sentence; the runner is of no further use then.
  void check(const step_batch& batch);
  // The masks that the batch checked last was promised.
  void check_promised(std::span<const token_mask_ptr> masks);
  rope_kind rope(slot_idx slot) const { return slots_[slot].rope; }

 private:
  struct slot_state {
    bool started = false;
    bool has_sampled = false;
    rope_kind rope = rope_kind::plain;
    std::uint64_t last_step = 0;  // counts checks: a slot has one chunk in a step
  };

  void check_start(const slot_start& start) const;
  void check_chunk(const step_batch& batch, const chunk& piece, std::uint32_t first_token_idx);
  void check_pages(const step_batch& batch, const chunk& piece) const;
  void check_mask(const step_batch& batch, const chunk& piece) const;
  void check_size(const token_mask& mask) const;
  void note_samplers(const step_batch& batch);
  void check_drafts(const chunk& piece) const;
  void check_tokens(const step_batch& batch, const chunk& piece) const;

  batch_limits limits_;
  std::vector<slot_state> slots_;   // [max_num_seqs]
  std::vector<slot_idx> promised_;  // whose masks are still to come
  std::uint64_t step_ = 0;
};

}  // namespace troupe
