// The sequences of one replica between admission and end: writes the steps, reads their results.
// Knows no actors, no clock and no pages but the numbers it is given.
#pragma once
#include "core/config.hpp"
#include "core/draft_plan.hpp"
#include "core/plan_step.hpp"
#include "core/prefill_pace.hpp"
#include "core/running_constraints.hpp"
#include "core/sequence.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace troupe {

// Pages that a running sequence lacks for the coming step.
struct page_growth {
  request_id request;
  std::uint32_t num_pages = 0;
  bool is_for_drafts = false;  // the step does without: nobody gives way for them
};

// Full pages came into being: the tokens since the last report, and how far all are computed.
struct computed_tokens {
  request_id request;
  std::vector<token_id> more;
  std::uint32_t num_computed = 0;
};

// What a step did for one sequence, once for each token that it brought.
struct sequence_progress {
  request_id request;
  slot_idx slot = 0;
  std::optional<sampled_token> token;
  std::optional<finish_reason> end;
  std::optional<computed_tokens> computed;
};

class running_batch {
 public:
  explicit running_batch(engine_limits limits);

  // Admission: the request enters a free slot with the pages for all tokens known of it.
  // `generated` is what an earlier run of the same request has already answered.
  sequence& admit(sequence entering, std::vector<page_idx> pages, std::uint32_t num_cached_tokens);
  bool has_free_slot() const { return !free_slots_.empty(); }

  // The next step in two halves, so that pages can be granted in between. `plan` decides the rows
  // and answers what they lack, what is for drafts last; `build` writes the batch, with the drafts
  // that there are pages for. Empty plan: nothing to compute.
  std::vector<page_growth> plan();
  // What the rows of the step after those in flight will lack, as far as that is known.
  std::vector<page_growth> lacking_ahead() const;
  bool has_plan() const { return !plan_.empty(); }
  void grow(request_id request, std::span<const page_idx> pages);
  step_batch build();

  // True while the step in flight must end before the next is planned, as one of them has drafts.
  bool waits_for_tokens() const;

  // Takes a step's samples into the sequences; those that end are still to be removed. `seconds`
  // passed since the step before ended; 0: not known.
  std::vector<sequence_progress> apply(const step_result& result, double seconds = 0);

  // A row under a constraint is computed before its mask is known: `build` promises it one. While
  // the oldest step in flight lacks masks, the rows of the next one are not known.
  std::optional<step_id> step_without_masks() const;
  // How the answer goes on. The row in flight that was promised a mask has it, or does not sample
  // because forced tokens come instead; they are still to be appended.
  void settle(sequence& s, const constraint_turn& turn);
  // The oldest step samples without its late rows; they sit out until their masks come. How many.
  std::uint32_t give_up_masks();
  // The masks of the oldest step that was promised some, once, when all are known.
  std::optional<step_masks> take_masks();

  // A token that came without a step: the next one computes it with what follows. Why it ends the
  // sequence, if it does. Not while a token of the sequence is in flight.
  std::optional<finish_reason> append_forced(sequence& s, token_id token);

  // Removes a sequence; a plan that is not built yet is dropped. Nullopt for unknown ids.
  std::optional<sequence> remove(request_id request);
  // Removes the one that must give way (see choose_victim), ready to be admitted again.
  std::optional<sequence> preempt();

  // A step that has not come back has rows of it.
  bool is_in_flight(request_id request) const;
  sequence* find(request_id request);
  // The same at once, for who knows its slot.
  sequence* find(request_id request, slot_idx slot);
  std::span<const sequence> sequences() const { return sequences_; }
  std::uint32_t num_in_flight() const { return static_cast<std::uint32_t>(in_flight_.size()); }
  const engine_limits& limits() const { return limits_; }

  // Of the batch that `build` wrote last.
  step_shape last_shape() const { return last_shape_; }
  // What a step took, in the order of the steps: later ones are cut accordingly.
  void observe(const step_shape& shape, double seconds) { pace_.observe(shape, seconds); }
  // Since the last call.
  draft_counts take_draft_counts() { return std::exchange(draft_counts_, {}); }

 private:
  enum class mask_promise : std::uint8_t { none, open, kept };
  struct flying_chunk {
    request_id request;
    slot_idx slot = 0;
    std::uint64_t epoch = 0;
    std::uint32_t end_position = 0;  // without the drafts
    bool sample = false;
    std::uint32_t num_drafts = 0;
    mask_promise promise = mask_promise::none;
    token_mask_ptr mask = nullptr;  // kept; null: it does not sample after all
  };
  struct flying_step {
    step_id id;
    std::vector<flying_chunk> chunks;
    step_shape shape;
    std::uint32_t num_drafts = 0;   // of all chunks
    std::uint32_t num_awaited = 0;  // masks
    bool was_promised_masks = false;
    bool was_ahead = false;  // planned while another was in flight
  };
  void append_chunk(step_batch& batch, sequence& s, planned_chunk planned);
  std::uint32_t append_drafts(step_batch& batch, const sequence& s, std::uint32_t count) const;
  void take_samples(const flying_chunk& chunk, std::span<const slot_sample> samples,
                    std::vector<sequence_progress>& progress);
  void keep_promise(flying_step& step, flying_chunk& chunk, token_mask_ptr mask);
  void drop_promises(request_id request);
  void make_room(step_batch& batch) const;
  void start_slot(step_batch& batch, sequence& s);
  std::optional<computed_tokens> report_computed(sequence& s);
  void note_pace(const flying_step& step, double seconds);

  engine_limits limits_;
  std::vector<sequence> sequences_;   // oldest first
  std::vector<std::uint32_t> seats_;  // [max_num_seqs]: where the slot's sequence is
  std::vector<slot_idx> free_slots_;
  std::vector<planned_chunk> plan_;
  std::deque<flying_step> in_flight_;
  std::uint64_t next_step_ = 1;
  std::uint64_t next_epoch_ = 1;
  step_shape last_shape_;
  prefill_pace pace_;
  draft_counts draft_counts_;
  draft_cost draft_cost_;
};

}  // namespace troupe
