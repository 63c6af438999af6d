#include "actors/tally.hpp"

#include "core/load.hpp"

#include <chrono>
#include <utility>

namespace troupe {
namespace {

double seconds_between(steady_time from, steady_time to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

tally::tally(std::string name, const engine_limits& bounds, const memory_plan& plan)
    : model_name(std::move(name)),
      limits(bounds),
      memory(plan),
      request_prompt(one_two_five_buckets(limits.max_model_len)),
      request_generation(one_two_five_buckets(limits.max_model_len)),
      request_max_tokens(one_two_five_buckets(limits.max_model_len)),
      request_computed(one_two_five_buckets(limits.max_model_len)) {}

void tally::count(const step_observed& s) {
  step = s;
  num_preemptions += s.num_preemptions;
  num_drafts += s.drafts.num_drafts;
  num_draft_tokens += s.drafts.num_draft_tokens;
  num_accepted_tokens += s.drafts.num_accepted_tokens;
  generation_tokens += s.first_tokens.size() + s.token_gaps.size();
  for (auto& first : s.first_tokens) {
    first_token.observe(first.seconds);
    prompt_tokens += first.prompt_tokens;
    cached_tokens += first.cached_tokens;
  }
  for (auto gap : s.token_gaps) token_gap.observe(gap);
  for (auto spent : s.mask_seconds) mask_time.observe(spent);
  num_late_masks += s.num_late_masks;
  num_forced_tokens += s.num_forced_tokens;
  num_failed_constraints += s.num_failed_constraints;
  if (s.seconds <= 0) return;
  ++num_steps;
  step_time.observe(s.seconds);
  auto num_rows = s.prefill_tokens + s.decode_tokens;
  step_tokens.observe(num_rows);
  pace.note(s.prefill_tokens, num_rows, s.seconds);
  if (only_decodes(s)) knee.note(s.decode_tokens, s.seconds);
}

void tally::count(const grammar_observed& g) {
  grammars = g;
  if (g.compile_seconds) compile_time.observe(*g.compile_seconds);
}

void tally::count(const request_observed& r) {
  ++num_finished[static_cast<std::size_t>(r.why)];
  if (r.admitted == steady_time{}) return;
  queue_time.observe(seconds_between(r.queued, r.admitted));
  request_max_tokens.observe(r.max_tokens);
  if (r.first_token == steady_time{}) return;
  request_prompt.observe(r.usage.prompt_tokens);
  request_computed.observe(r.usage.prompt_tokens - r.usage.cached_tokens);
  request_generation.observe(r.usage.completion_tokens);
  num_choices.observe(1);
  prefill_time.observe(seconds_between(r.admitted, r.first_token));
  decode_time.observe(seconds_between(r.first_token, r.last_token));
  inference_time.observe(seconds_between(r.admitted, r.last_token));
  e2e.observe(seconds_between(r.arrival, r.last_token));
  if (r.usage.completion_tokens > 1)
    time_per_token.observe(seconds_between(r.first_token, r.last_token) /
                           (r.usage.completion_tokens - 1));
}

void tally::count(const http_observed& h) {
  ++http[{h.route, h.method, h.status}];
  http_time.try_emplace(h.route, request_buckets()).first->second.observe(h.seconds);
}

void tally::count(const front_observed& f) {
  front.connections += f.connections;
  front.streams += f.streams;
  front.websockets += f.websockets;
}

double tally::load() const {
  if (fleet) return fleet->load;
  auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  auto tokens = static_cast<double>(queue.waiting_tokens + step.pending_tokens);
  return measure_load({.kv_pages_share = share(pages.num_used, pages.num_pages),
                       .seqs_share = share(step.num_running, knee.num_seqs(limits.max_num_seqs)),
                       .queued_seconds = tokens * pace.seconds_per_token()});
}

}  // namespace troupe
