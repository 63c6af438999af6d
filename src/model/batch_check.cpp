#include "model/batch_check.hpp"

#include <string>

#include "model/runner.hpp"

namespace troupe {
namespace {

template <class A, class B>
void require_below(A value, B bound, const char* what) {
  if (value >= 0 && static_cast<std::uint64_t>(value) < static_cast<std::uint64_t>(bound)) return;
  throw device_error("A step names " + std::string(what) + " " + std::to_string(value) +
                     ", which is not below " + std::to_string(bound) + ".");
}

void require(bool condition, const char* sentence) {
  if (!condition) throw device_error(sentence);
}

}  // namespace

batch_check::batch_check(const batch_limits& limits)
    : limits_(limits), slots_(limits.max_num_seqs) {}

void batch_check::check(const step_batch& batch) {
  ++step_;
  require(batch.tokens.size() <= limits_.max_num_rows,
          "A step has more tokens than max_num_batched_tokens.");
  for (const slot_start& start : batch.starts) check_start(start);
  for (const slot_start& start : batch.starts) {
    slots_[start.slot] = {true, false, start.rope, 0};
  }
  std::uint32_t num_tokens = 0;
  std::uint32_t num_samples = 0;
  for (const chunk& piece : batch.chunks) {
    check_chunk(batch, piece, num_tokens);
    num_tokens += piece.num_tokens;
    num_samples += piece.sample ? 1 + piece.num_drafts : 0;
  }
  require(num_tokens == batch.tokens.size(), "A step has tokens that belong to no chunk.");
  require(num_samples <= limits_.max_num_logit_rows, "A step samples more rows than planned for.");
  note_samplers(batch);
}

void batch_check::note_samplers(const step_batch& batch) {
  promised_.clear();
  for (const chunk& piece : batch.chunks) {
    if (piece.mask_idx != no_mask && batch.masks[piece.mask_idx] == nullptr) {
      promised_.push_back(piece.slot);
    } else if (piece.sample) {
      slots_[piece.slot].has_sampled = true;
    }
  }
  require(promised_.size() == num_promised_masks(batch),
          "A step is promised a mask that belongs to no chunk.");
}

void batch_check::check_promised(std::span<const token_mask_ptr> masks) {
  require(masks.size() == promised_.size(),
          "A step gets another number of masks than it was promised.");
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (masks[i] == nullptr) continue;
    check_size(*masks[i]);
    slots_[promised_[i]].has_sampled = true;
  }
  promised_.clear();
}

void batch_check::check_start(const slot_start& start) const {
  require_below(start.slot, limits_.max_num_seqs, "slot");
  require(start.history.size() <= limits_.max_model_len,
          "A step starts a slot with a history longer than max_model_len.");
  require(start.num_prompt_tokens <= start.history.size(),
          "A step starts a slot whose history is shorter than its prompt.");
  for (token_id token : start.history) require_below(token, limits_.vocab_size, "token");
  require(start.rope == rope_kind::plain || start.rope == rope_kind::scaled,
          "A step starts a slot with an unknown kind of position embedding.");
}

void batch_check::check_chunk(const step_batch& batch, const chunk& piece,
                              std::uint32_t first_token_idx) {
  require_below(piece.slot, limits_.max_num_seqs, "slot");
  slot_state& slot = slots_[piece.slot];
  require(slot.started, "A step has a chunk for a slot that was never started.");
  require(slot.last_step != step_, "A step has two chunks for one slot.");
  slot.last_step = step_;
  require(piece.num_tokens > 0, "A step has a chunk without tokens.");
  require(piece.first_token_idx == first_token_idx &&
              std::uint64_t{piece.first_token_idx} + piece.num_tokens <= batch.tokens.size(),
          "A step's chunks do not lie back to back within its tokens.");
  require(std::uint64_t{piece.first_position} + piece.num_tokens <= limits_.max_model_len,
          "A step has a position beyond max_model_len.");
  check_pages(batch, piece);
  check_mask(batch, piece);
  check_drafts(piece);
  check_tokens(batch, piece);
}

void batch_check::check_pages(const step_batch& batch, const chunk& piece) const {
  const std::uint64_t end = std::uint64_t{piece.first_position} + piece.num_tokens;
  require(std::uint64_t{piece.num_pages} * page_size_tokens >= end,
          "A step has a chunk whose pages do not cover its positions.");
  require(std::uint64_t{piece.first_page_idx} + piece.num_pages <= batch.page_table.size(),
          "A step has a chunk whose pages lie outside the page table.");
  for (std::uint32_t i = 0; i < piece.num_pages; ++i) {
    require_below(batch.page_table[piece.first_page_idx + i], limits_.num_pages, "page");
  }
}

void batch_check::check_mask(const step_batch& batch, const chunk& piece) const {
  if (piece.mask_idx == no_mask) return;
  require(piece.sample, "A step has a mask for a chunk that does not sample.");
  require(piece.mask_idx < batch.masks.size(), "A step has a chunk whose mask is not there.");
  if (const auto& mask = batch.masks[piece.mask_idx]) check_size(*mask);
}

void batch_check::check_size(const token_mask& mask) const {
  require(mask.size() == mask_words(limits_.num_choosable_tokens),
          "A step has a mask that is not as long as the vocabulary.");
}

void batch_check::check_drafts(const chunk& piece) const {
  if (piece.num_drafts == 0) return;
  require(piece.sample && piece.mask_idx == no_mask,
          "A step has drafts in a chunk that does not sample freely.");
  require(piece.num_drafts < piece.num_tokens, "A step has a chunk of nothing but drafts.");
}

void batch_check::check_tokens(const step_batch& batch, const chunk& piece) const {
  for (std::uint32_t i = 0; i < piece.num_tokens; ++i) {
    const token_id token = batch.tokens[piece.first_token_idx + i];
    if (token == last_sampled) {
      require(i < piece.num_tokens - piece.num_drafts, "A step has a draft that is no token.");
      require(slots_[piece.slot].has_sampled,
              "A step feeds back the last sampled token of a slot that has not sampled.");
    } else {
      require_below(token, limits_.vocab_size, "token");
    }
  }
}

}  // namespace troupe
