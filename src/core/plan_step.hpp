// The decisions of continuous batching, as pure functions over the running sequences.
#pragma once
#include "core/config.hpp"
#include "core/outcome.hpp"
#include "core/sequence.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace troupe {

struct planned_chunk {
  std::size_t sequence_idx = 0;  // into the running sequences, oldest first
  std::uint32_t num_tokens = 0;
  std::uint32_t num_drafts = 0;  // guesses behind them: see core/draft_plan.hpp
};

struct step_bounds {
  std::uint32_t max_tokens = 0;  // rows of the step
  // Rows of long prompts, together, in a step in which others decode.
  std::uint32_t max_long_tokens = std::numeric_limits<std::uint32_t>::max();
};

// Which rows the next step computes: first one row for every decoding sequence, then the prompts,
// oldest first, cut where the bounds end. Prompts are long that do not fit one step: beside them
// those who decode would wait for many whole steps.
std::vector<planned_chunk> plan_step(std::span<const sequence> running, const step_bounds& bounds);

// Pages that the sequence lacks for its next `num_tokens` rows.
std::uint32_t pages_lacking(const sequence& s, std::uint32_t num_tokens);

// Who gives way when pages run out: the least urgent, among those the youngest. Nobody, when only
// one sequence runs: the admission check promises that one always fits.
std::optional<std::size_t> choose_victim(std::span<const sequence> running);

// Pages that must stay free after an admission, so that every running sequence can grow by one
// before the first must be preempted: this is what keeps preemption from thrashing.
std::uint32_t admission_reserve(std::span<const sequence> running);

// How long a step that has its logits may wait for token masks, after one that took so many
// seconds: what a late mask costs everybody, once.
std::chrono::microseconds mask_patience(double last_step_seconds);

// Tokens without a choice that an answer may take at once, without steps of their own.
std::uint32_t max_forced_tokens(const sequence& s);

// Prompt tokens that no step has computed yet.
std::uint64_t count_pending_tokens(std::span<const sequence> running);

// Why a token ends its sequence, if it does. `num_generated` counts that token. Under a constraint
// eos always ends: no token may follow it.
std::optional<finish_reason> ends_with(const generation_request& request, token_id token,
                                       std::uint32_t num_generated,
                                       std::span<const token_id> eos_token_ids);

// The position embedding that a request runs with.
rope_kind choose_rope(const generation_request& request, const engine_limits& limits);

// Why an engine of these limits could never run the request; empty if it can.
std::optional<failure> find_misfit(const generation_request& request, const engine_limits& limits);

}  // namespace troupe
