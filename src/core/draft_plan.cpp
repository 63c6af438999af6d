#include "core/draft_plan.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// Of tokens for the time, or it is not worth the risk.
constexpr double least_gain = 0.05;
// Steps, about, that an average looks back on; and those without guesses after which it is
// forgotten that they were expensive, as the load or the machine may be another.
constexpr double memory_steps = 16;
constexpr double patience_steps = 1024;
// Longer is a step that something else held up.
constexpr double longest_step = 3;

double next_chance(const draft_ask& row) {
  if (row.num_tokens >= row.max_tokens) return 0;
  return row.odds.first * std::pow(double{row.odds.further}, row.num_tokens);
}

std::uint32_t max_drafts(const sequence& s, const engine_limits& limits) {
  if (s.request.constraint || !s.wants_tokens()) return 0;
  // The row itself brings one token.
  return std::min(limits.num_speculative_tokens,
                  s.request.sampling.max_tokens - s.num_generated() - 1);
}

// What is left for guesses beside so many rows.
std::uint32_t num_more(const engine_limits& limits, std::uint32_t num_rows) {
  auto bound = max_drafted_rows(limits);
  return bound > num_rows ? bound - num_rows : 0;
}

}  // namespace

void draft_cost::note(std::uint32_t num_sequences, std::uint32_t num_drafts, double seconds) {
  if (num_sequences >= paces_.size() || seconds <= 0) return;
  auto& [plain, share] = paces_[num_sequences];
  if (share == 0) share = expected_share(num_sequences);
  auto follow = [](double& average, double news, double steps) {
    average += (news - average) / steps;
  };
  if (num_drafts > 0) {
    if (plain == 0) return;
    auto more = std::clamp(seconds / plain, 1.0, longest_step) - 1;
    follow(share, more / num_drafts, memory_steps);
    return;
  }
  if (plain == 0) plain = seconds;
  follow(plain, std::min(seconds, plain * longest_step), memory_steps);
  follow(share, std::min(share, expected_share(num_sequences)), patience_steps);
}

double draft_cost::share(std::uint32_t num_sequences) const {
  auto learnt = num_sequences < paces_.size() ? paces_[num_sequences].share : 0;
  return learnt > 0 ? learnt : expected_share(num_sequences);
}

void plan_drafts(std::span<draft_ask> rows, std::uint32_t num_more, double share) {
  const auto num_sure = static_cast<double>(rows.size());
  auto num_tokens = num_sure;
  double time = 1;
  for (; num_more > 0; --num_more) {
    auto best = std::ranges::max_element(rows, {}, next_chance);
    if (best == rows.end()) break;
    const auto chance = next_chance(*best);
    if (chance * time <= num_tokens * share) break;
    ++best->num_tokens;
    num_tokens += chance;
    time += share;
  }
  if (num_tokens >= num_sure * time * (1 + least_gain)) return;
  for (auto& row : rows) row.num_tokens = 0;
}

void add_drafts(std::span<const sequence> running, const engine_limits& limits,
                const draft_cost& cost, std::vector<planned_chunk>& plan) {
  std::vector<draft_ask> asks;
  std::uint32_t num_rows = 0;
  for (auto& chunk : plan) {
    auto& s = running[chunk.sequence_idx];
    num_rows += chunk.num_tokens;
    if (s.is_decoding()) asks.push_back({s.lookup.odds(), max_drafts(s, limits)});
  }
  auto num_asks = static_cast<std::uint32_t>(asks.size());
  plan_drafts(asks, num_more(limits, num_rows), cost.share(num_asks));
  auto ask = asks.begin();
  for (auto& chunk : plan)
    if (running[chunk.sequence_idx].is_decoding()) chunk.num_drafts = (ask++)->num_tokens;
}

bool would_draft(std::span<const sequence> running, const engine_limits& limits,
                 const draft_cost& cost) {
  if (!may_draft(running.size(), limits)) return false;
  std::vector<draft_ask> asks;
  std::uint32_t num_rows = 0;
  for (auto& s : running) {
    num_rows += std::max(s.num_remaining(), 1U);
    asks.push_back({s.lookup.odds(), max_drafts(s, limits)});
  }
  auto num_asks = static_cast<std::uint32_t>(asks.size());
  plan_drafts(asks, num_more(limits, num_rows), cost.share(num_asks));
  return std::ranges::any_of(asks, [](const draft_ask& row) { return row.num_tokens > 0; });
}

bool may_draft(std::size_t num_running, const engine_limits& limits) {
  return limits.num_speculative_tokens > 0 && num_running < max_drafted_rows(limits);
}

std::uint32_t max_drafted_rows(const engine_limits& limits) {
  return std::min(limits.max_speculative_rows, limits.max_num_batched_tokens);
}

std::uint32_t count_logit_rows(const engine_limits& limits) {
  if (limits.num_speculative_tokens == 0) return limits.max_num_seqs;
  return std::max(limits.max_num_seqs, max_drafted_rows(limits));
}

}  // namespace troupe
