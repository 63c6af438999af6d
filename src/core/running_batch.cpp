#include "core/running_batch.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace troupe {

running_batch::running_batch(engine_limits limits)
    : limits_(std::move(limits)), draft_cost_(max_drafted_rows(limits_)) {
  sequences_.reserve(limits_.max_num_seqs);
  seats_.resize(limits_.max_num_seqs);
  for (auto i = limits_.max_num_seqs; i > 0; --i) free_slots_.push_back(i - 1);
}

sequence& running_batch::admit(sequence entering, std::vector<page_idx> pages,
                               std::uint32_t num_cached_tokens) {
  assert(has_free_slot());
  entering.slot = free_slots_.back();
  free_slots_.pop_back();
  entering.slot_started = false;
  entering.pages = std::move(pages);
  entering.num_scheduled = num_cached_tokens;
  entering.num_computed = num_cached_tokens;
  entering.num_in_flight = 0;
  entering.has_drafts_in_flight = false;
  entering.num_reported = entering.num_known();
  entering.num_reported_pages = num_cached_tokens / page_size_tokens;
  entering.epoch = next_epoch_++;
  entering.mask = nullptr;
  entering.sits_out = false;
  entering.rope = choose_rope(entering.request, limits_);
  if (entering.num_preemptions == 0) entering.num_cached_tokens = num_cached_tokens;
  seats_[entering.slot] = static_cast<std::uint32_t>(sequences_.size());
  return sequences_.emplace_back(std::move(entering));
}

std::vector<page_growth> running_batch::plan() {
  plan_ = plan_step(sequences_, {limits_.max_num_batched_tokens, pace_.max_rows()});
  std::vector<page_growth> lacking;
  for (auto& chunk : plan_) {
    auto& s = sequences_[chunk.sequence_idx];
    if (auto n = pages_lacking(s, chunk.num_tokens)) lacking.push_back({s.request.id, n});
  }
  // Guesses begin at the last token, so it must be known.
  if (!in_flight_.empty() || !may_draft(sequences_.size(), limits_)) return lacking;
  add_drafts(sequences_, limits_, draft_cost_, plan_);
  for (auto& chunk : plan_) {
    auto& s = sequences_[chunk.sequence_idx];
    auto n = pages_lacking(s, chunk.num_tokens + chunk.num_drafts);
    n -= pages_lacking(s, chunk.num_tokens);
    if (n > 0) lacking.push_back({s.request.id, n, true});
  }
  return lacking;
}

std::vector<page_growth> running_batch::lacking_ahead() const {
  std::vector<page_growth> lacking;
  for (auto& s : sequences_) {
    if (!s.wants_tokens() || s.length() != s.num_scheduled + 1) continue;
    if (auto n = pages_lacking(s, 1)) lacking.push_back({s.request.id, n});
  }
  return lacking;
}

void running_batch::grow(request_id request, std::span<const page_idx> pages) {
  if (auto* s = find(request)) s->pages.insert(s->pages.end(), pages.begin(), pages.end());
}

step_batch running_batch::build() {
  step_batch batch{.id = {next_step_++}};
  flying_step flying{.id = batch.id, .was_ahead = !in_flight_.empty()};
  last_shape_ = {};
  make_room(batch);
  flying.chunks.reserve(plan_.size());
  for (auto& planned : plan_) {
    auto& s = sequences_[planned.sequence_idx];
    (s.is_decoding() ? last_shape_.decode_tokens : last_shape_.prefill_tokens) +=
        planned.num_tokens;
    if (!s.slot_started) start_slot(batch, s);
    append_chunk(batch, s, planned);
    auto& c = batch.chunks.back();
    last_shape_.decode_tokens += c.num_drafts;
    flying.num_drafts += c.num_drafts;
    bool is_promised = c.mask_idx != no_mask && !batch.masks[c.mask_idx];
    flying.num_awaited += is_promised ? 1 : 0;
    flying.chunks.push_back({s.request.id, s.slot, s.epoch, s.num_scheduled, c.sample, c.num_drafts,
                             is_promised ? mask_promise::open : mask_promise::none});
  }
  flying.was_promised_masks = flying.num_awaited > 0;
  plan_.clear();
  flying.shape = last_shape_;
  in_flight_.push_back(std::move(flying));
  return batch;
}

void running_batch::make_room(step_batch& batch) const {
  std::size_t num_tokens = 0;
  std::size_t num_pages = 0;
  for (auto& planned : plan_) {
    num_tokens += planned.num_tokens + planned.num_drafts;
    num_pages += sequences_[planned.sequence_idx].pages.size();
  }
  batch.chunks.reserve(plan_.size());
  batch.tokens.reserve(num_tokens);
  batch.page_table.reserve(num_pages);
}

void running_batch::start_slot(step_batch& batch, sequence& s) {
  slot_start start{.slot = s.slot,
                   .sampling = s.request.sampling,
                   .history = s.request.prompt,
                   .num_prompt_tokens = s.num_prompt(),
                   .rope = s.rope};
  start.history.insert(start.history.end(), s.generated.begin(), s.generated.end());
  batch.starts.push_back(std::move(start));
  s.slot_started = true;
}

void running_batch::append_chunk(step_batch& batch, sequence& s, planned_chunk planned) {
  chunk c{.slot = s.slot,
          .first_token_idx = static_cast<std::uint32_t>(batch.tokens.size()),
          .first_position = s.num_scheduled,
          .first_page_idx = static_cast<std::uint32_t>(batch.page_table.size()),
          .sample = s.samples_after(planned.num_tokens)};
  for (std::uint32_t i = 0; i < planned.num_tokens; ++i)
    batch.tokens.push_back(s.token_at(s.num_scheduled + i));
  s.num_scheduled += planned.num_tokens;
  if (planned.num_drafts > 0) c.num_drafts = append_drafts(batch, s, planned.num_drafts);
  c.num_tokens = planned.num_tokens + c.num_drafts;
  auto num_pages = pages_for(std::uint64_t{s.num_scheduled} + c.num_drafts);
  assert(num_pages <= s.pages.size());
  c.num_pages = num_pages;
  batch.page_table.insert(batch.page_table.end(), s.pages.begin(), s.pages.begin() + num_pages);
  if (c.sample && s.request.constraint) {
    c.mask_idx = static_cast<std::uint32_t>(batch.masks.size());
    batch.masks.push_back(std::exchange(s.mask, nullptr));
  }
  batch.chunks.push_back(c);
  if (c.sample) ++s.num_in_flight;
  s.has_drafts_in_flight = c.num_drafts > 0;
}

// Behind the chunk's tokens, at most those that the pages hold. A guess that would end the answer
// is left out with all behind it: it is sampled by the row before.
std::uint32_t running_batch::append_drafts(step_batch& batch, const sequence& s,
                                           std::uint32_t count) const {
  auto num_positions = static_cast<std::uint32_t>(s.pages.size()) * page_size_tokens;
  auto first = batch.tokens.size();
  s.lookup.guess(s.history(), std::min(count, num_positions - s.num_scheduled), batch.tokens);
  auto num_generated = s.num_generated();
  auto kept = first;
  while (kept < batch.tokens.size() &&
         !ends_with(s.request, batch.tokens[kept], ++num_generated, limits_.eos_token_ids))
    ++kept;
  batch.tokens.resize(kept);
  return static_cast<std::uint32_t>(kept - first);
}

bool running_batch::waits_for_tokens() const {
  if (in_flight_.empty()) return false;
  return in_flight_.back().num_drafts > 0 || would_draft(sequences_, limits_, draft_cost_);
}

// Steps without guesses count if they were planned ahead, as they all would be.
void running_batch::note_pace(const flying_step& step, double seconds) {
  if (step.shape.prefill_tokens > 0 || (step.num_drafts == 0 && !step.was_ahead)) return;
  draft_cost_.note(step.shape.decode_tokens - step.num_drafts, step.num_drafts, seconds);
}

std::vector<sequence_progress> running_batch::apply(const step_result& result, double seconds) {
  std::vector<sequence_progress> progress;
  assert(!in_flight_.empty() && in_flight_.front().id == result.id);
  progress.reserve(in_flight_.front().chunks.size());
  note_pace(in_flight_.front(), seconds);
  auto chunks = std::move(in_flight_.front().chunks);
  in_flight_.pop_front();
  std::size_t next_sample = 0;
  for (auto& chunk : chunks) {
    std::size_t num_samples = 0;
    if (chunk.sample)
      while (next_sample + num_samples < result.samples.size() &&
             result.samples[next_sample + num_samples].slot == chunk.slot)
        ++num_samples;
    take_samples(chunk, std::span(result.samples).subspan(next_sample, num_samples), progress);
    next_sample += num_samples;
  }
  return progress;
}

void running_batch::take_samples(const flying_chunk& chunk, std::span<const slot_sample> samples,
                                 std::vector<sequence_progress>& progress) {
  auto* s = find(chunk.request, chunk.slot);
  if (!s || s->epoch != chunk.epoch) return;  // ended or preempted meanwhile
  assert(chunk.sample ? !samples.empty() && samples.size() <= chunk.num_drafts + 1
                      : samples.empty());
  if (chunk.sample) --s->num_in_flight;
  s->has_drafts_in_flight = false;
  bool is_followed = !s->request.constraint && may_draft(sequences_.size(), limits_);
  auto num_generated = s->num_generated();
  for (auto& [slot, sampled] : samples) {
    s->generated.push_back(sampled.token);
    auto end = ends_with(s->request, sampled.token, s->num_generated(), limits_.eos_token_ids);
    progress.push_back({.request = chunk.request, .slot = slot, .token = sampled, .end = end});
    if (end) break;
    if (is_followed)
      s->lookup.follow(s->history(), {limits_.prompt_lookup_min, limits_.prompt_lookup_max});
  }
  if (samples.empty()) progress.push_back({.request = chunk.request, .slot = chunk.slot});
  auto num_accepted = samples.empty() ? 0 : s->num_generated() - num_generated - 1;
  s->num_scheduled += num_accepted;
  s->num_computed = chunk.end_position + num_accepted;
  progress.back().computed = report_computed(*s);
  if (chunk.num_drafts == 0) return;
  ++draft_counts_.num_drafts;
  draft_counts_.num_draft_tokens += chunk.num_drafts;
  draft_counts_.num_accepted_tokens += num_accepted;
}

// Among all steps in flight only one has open promises: no later one is planned before they are
// kept.
std::optional<step_id> running_batch::step_without_masks() const {
  if (in_flight_.empty() || in_flight_.front().num_awaited == 0) return std::nullopt;
  return in_flight_.front().id;
}

void running_batch::keep_promise(flying_step& step, flying_chunk& chunk, token_mask_ptr mask) {
  chunk.promise = mask_promise::kept;
  chunk.sample = mask != nullptr;
  chunk.mask = std::move(mask);
  --step.num_awaited;
}

void running_batch::settle(sequence& s, const constraint_turn& turn) {
  s.sits_out = false;
  s.mask = turn.mask;
  for (auto& step : in_flight_) {
    auto it = std::ranges::find_if(step.chunks, [&](const flying_chunk& chunk) {
      return chunk.promise == mask_promise::open && chunk.slot == s.slot;
    });
    if (it == step.chunks.end()) continue;
    keep_promise(step, *it, turn.forced.empty() ? std::exchange(s.mask, nullptr) : nullptr);
    if (!it->sample) --s.num_in_flight;
    return;
  }
}

std::uint32_t running_batch::give_up_masks() {
  auto& step = in_flight_.front();
  auto num_late = step.num_awaited;
  for (auto& chunk : step.chunks) {
    if (chunk.promise != mask_promise::open) continue;
    keep_promise(step, chunk, nullptr);
    auto& s = *find(chunk.request, chunk.slot);
    --s.num_in_flight;
    --s.num_scheduled;  // the row is computed again, for its logits
    chunk.end_position = s.num_scheduled;
    s.sits_out = true;
  }
  return num_late;
}

std::optional<step_masks> running_batch::take_masks() {
  for (auto& step : in_flight_) {
    if (!step.was_promised_masks) continue;
    if (step.num_awaited > 0) return std::nullopt;
    step.was_promised_masks = false;
    step_masks masks{.id = step.id};
    for (auto& chunk : step.chunks)
      if (chunk.promise == mask_promise::kept) masks.masks.push_back(std::move(chunk.mask));
    return masks;
  }
  return std::nullopt;
}

// Of a sequence that is no more.
void running_batch::drop_promises(request_id request) {
  for (auto& step : in_flight_)
    for (auto& chunk : step.chunks)
      if (chunk.request == request && chunk.promise == mask_promise::open)
        keep_promise(step, chunk, nullptr);
}

std::optional<finish_reason> running_batch::append_forced(sequence& s, token_id token) {
  assert(s.num_in_flight == 0);
  s.generated.push_back(token);
  // The executor counts what it samples; of this token it hears by the slot's new start.
  s.slot_started = false;
  plan_.clear();
  return ends_with(s.request, token, s.num_generated(), limits_.eos_token_ids);
}

std::optional<computed_tokens> running_batch::report_computed(sequence& s) {
  auto num_full_pages = s.num_computed / page_size_tokens;
  if (num_full_pages <= s.num_reported_pages) return std::nullopt;
  computed_tokens report{.request = s.request.id, .num_computed = s.num_computed};
  report.more.reserve(s.num_known() - s.num_reported);
  for (; s.num_reported < s.num_known(); ++s.num_reported)
    report.more.push_back(s.token_at(s.num_reported));
  s.num_reported_pages = num_full_pages;
  return report;
}

std::optional<sequence> running_batch::remove(request_id request) {
  auto it =
      std::ranges::find_if(sequences_, [&](const sequence& s) { return s.request.id == request; });
  if (it == sequences_.end()) return std::nullopt;
  auto removed = std::move(*it);
  for (it = sequences_.erase(it); it != sequences_.end(); ++it) --seats_[it->slot];
  free_slots_.push_back(removed.slot);
  plan_.clear();
  drop_promises(request);
  return removed;
}

std::optional<sequence> running_batch::preempt() {
  auto victim = choose_victim(sequences_);
  if (!victim) return std::nullopt;
  auto removed = remove(sequences_[*victim].request.id);
  removed->pages.clear();
  ++removed->num_preemptions;
  return removed;
}

bool running_batch::is_in_flight(request_id request) const {
  return std::ranges::any_of(in_flight_, [&](const flying_step& step) {
    return std::ranges::any_of(step.chunks,
                               [&](const flying_chunk& c) { return c.request == request; });
  });
}

sequence* running_batch::find(request_id request, slot_idx slot) {
  auto seat = seats_[slot];
  if (seat >= sequences_.size() || sequences_[seat].request.id != request) return nullptr;
  return &sequences_[seat];
}

sequence* running_batch::find(request_id request) {
  auto it =
      std::ranges::find_if(sequences_, [&](const sequence& s) { return s.request.id == request; });
  return it == sequences_.end() ? nullptr : &*it;
}

}  // namespace troupe
