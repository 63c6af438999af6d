// The sequences of one replica between admission and end: writes the steps, reads their results.
// Knows no actors, no clock and no pages but the numbers it is given.
#pragma once
#include "core/config.hpp"
#include "core/plan_step.hpp"
#include "core/prefill_pace.hpp"
#include "core/sequence.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace troupe {

// Pages that a running sequence lacks for the coming step.
struct page_growth {
  request_id request;
  std::uint32_t num_pages = 0;
};

// Full pages came into being: the tokens since the last report, and how far all are computed.
struct computed_tokens {
  request_id request;
  std::vector<token_id> more;
  std::uint32_t num_computed = 0;
};

// What a step did for one sequence.
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
  // and answers what they lack; `build` writes the batch. Empty plan: nothing to compute.
  std::vector<page_growth> plan();
  bool has_plan() const { return !plan_.empty(); }
  void grow(request_id request, std::span<const page_idx> pages);
  step_batch build();

  // Takes a step's samples into the sequences; those that end are still to be removed.
  std::vector<sequence_progress> apply(const step_result& result);

  // A token that came without a step: the next one computes it with what follows. Why it ends the
  // sequence, if it does. Not while a token of the sequence is in flight.
  std::optional<finish_reason> append_forced(sequence& s, token_id token);

  // Removes a sequence; a plan that is not built yet is dropped. Nullopt for unknown ids.
  std::optional<sequence> remove(request_id request);
  // Removes the one that must give way (see choose_victim), ready to be admitted again.
  std::optional<sequence> preempt();

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

 private:
  struct flying_chunk {
    request_id request;
    slot_idx slot = 0;
    std::uint64_t epoch = 0;
    std::uint32_t end_position = 0;
    bool sample = false;
  };
  struct flying_step {
    step_id id;
    std::vector<flying_chunk> chunks;
  };
  void append_chunk(step_batch& batch, sequence& s, std::uint32_t num_tokens);
  void make_room(step_batch& batch) const;
  void start_slot(step_batch& batch, sequence& s);
  std::optional<computed_tokens> report_computed(sequence& s);

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
};

}  // namespace troupe
