// A device without arithmetic: its KV memory holds the tokens themselves, and the next token is a
// hash of everything that a sequence reads back through its page table. A page that two sequences
// confuse, a row that is missing or out of order changes the answer.
#pragma once
#include "core/running_constraints.hpp"
#include "model/runner.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace troupe::test {

inline std::uint64_t hash_tokens(const std::vector<token_id>& tokens, std::uint64_t seed) {
  std::uint64_t h = seed + 0x9e3779b97f4a7c15ULL;
  for (auto t : tokens) {
    h ^= static_cast<std::uint32_t>(t);
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 32;
  }
  return h;
}

inline constexpr std::uint32_t fake_vocab_size = 1000;
// With this seed or a higher one an answer repeats what stood some tokens before; with this one
// plus n, but for every n-th token or so.
inline constexpr std::uint64_t copying_seed = 100;
inline constexpr std::size_t copied_distance = 7;

// With a mask: the first one that it allows from there on.
inline token_id next_token(const std::vector<token_id>& tokens, std::uint64_t seed,
                           const token_mask_ptr& mask = nullptr) {
  auto hash = hash_tokens(tokens, seed);
  auto token = static_cast<std::uint32_t>(hash % fake_vocab_size);
  bool copies =
      seed == copying_seed || (seed > copying_seed && (hash >> 32) % (seed - copying_seed));
  if (copies && tokens.size() >= copied_distance)
    token = static_cast<std::uint32_t>(tokens[tokens.size() - copied_distance]) % fake_vocab_size;
  while (mask && !(mask->at(token / 32) >> (token % 32) & 1U))
    token = (token + 1) % fake_vocab_size;
  return static_cast<token_id>(token);
}

// The answer that an undisturbed engine gives.
inline std::vector<token_id> expected_answer(const generation_request& request, token_id eos) {
  auto tokens = request.prompt;
  std::vector<token_id> answer;
  while (answer.size() < request.sampling.max_tokens) {
    token_mask_ptr mask;
    if (request.constraint)
      mask = running_constraints(fake_vocab_size).advance({1}, request.constraint, answer)->mask;
    if (request.constraint && !mask) break;
    answer.push_back(next_token(tokens, request.sampling.seed, mask));
    tokens.push_back(answer.back());
    if (answer.back() == eos && (request.constraint || !request.sampling.ignore_eos)) break;
  }
  return answer;
}

class fake_runner : public runner {
 public:
  explicit fake_runner(std::uint32_t num_pages) : memory_(num_pages) {}

  void compute(const step_batch& batch) override {
    bool is_poisoned = poison && std::ranges::count(batch.tokens, *poison) > 0;
    if (is_poisoned || (num_until_failure > 0 && --num_until_failure == 0)) {
      has_failed = true;
      throw device_error("injected failure");
    }
    ++num_steps;
    batch_ = &batch;
    for (auto& start : batch.starts)
      slots_[start.slot] = {start.sampling.seed, start.history.empty() ? 0 : start.history.back()};
    for (auto& c : batch.chunks) write_chunk(batch, c);
  }
  void choose(std::span<const token_mask_ptr> promised) override {
    if (promised.size() != num_promised_masks(*batch_)) throw device_error("a promise was broken");
    step_result result{.id = batch_->id};
    auto next_promised = promised.begin();
    for (auto& c : batch_->chunks) {
      auto mask = c.mask_idx == no_mask ? nullptr : batch_->masks.at(c.mask_idx);
      bool is_promised = c.mask_idx != no_mask && !mask;
      if (is_promised) mask = *next_promised++;
      if (c.sample && (mask || !is_promised)) sample_chunk(*batch_, c, mask, result);
    }
    results_.push_back(std::move(result));
  }
  step_result finish() override {
    auto oldest = std::move(results_.front());
    results_.pop_front();
    return oldest;
  }
  bool is_ready() override { return true; }
  void abort() noexcept override { was_aborted = true; }

  std::uint32_t num_pages() const { return static_cast<std::uint32_t>(memory_.size()); }

  std::atomic<std::uint64_t> num_steps{0};
  std::atomic<int> num_until_failure{0};  // 0: never
  std::atomic<bool> was_aborted{false};
  std::atomic<bool> has_failed{false};
  std::optional<token_id> poison;  // whoever computes this token fails

 private:
  struct slot_state {
    std::uint64_t seed = 0;
    token_id last = 0;
  };

  void write_chunk(const step_batch& batch, const chunk& c) {
    for (std::uint32_t i = 0; i < c.num_tokens; ++i) {
      auto token = batch.tokens.at(c.first_token_idx + i);
      cell(batch, c, c.first_position + i) = token == last_sampled ? slots_.at(c.slot).last : token;
    }
  }

  void sample_chunk(const step_batch& batch, const chunk& c, const token_mask_ptr& mask,
                    step_result& result) {
    auto& slot = slots_.at(c.slot);
    auto end = c.first_position + c.num_tokens;
    std::vector<token_id> seen;
    for (std::uint32_t p = 0; p < end - c.num_drafts; ++p) seen.push_back(cell(batch, c, p));
    for (auto draft = end - c.num_drafts;; ++draft) {
      slot.last = next_token(seen, slot.seed, mask);
      result.samples.push_back({c.slot, {.token = slot.last}});
      if (draft == end || cell(batch, c, draft) != slot.last) return;
      seen.push_back(slot.last);
    }
  }

  token_id& cell(const step_batch& batch, const chunk& c, std::uint32_t position) {
    auto page = batch.page_table.at(c.first_page_idx + position / page_size_tokens);
    return memory_.at(page)[position % page_size_tokens];
  }

  std::vector<std::array<token_id, page_size_tokens>> memory_;
  std::map<slot_idx, slot_state> slots_;
  const step_batch* batch_ = nullptr;  // between compute and choose
  std::deque<step_result> results_;    // of those that nobody finished
};

}  // namespace troupe::test
