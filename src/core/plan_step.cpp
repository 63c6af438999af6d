#include "core/plan_step.hpp"

#include <algorithm>
#include <string>

namespace troupe {

std::vector<planned_chunk> plan_step(std::span<const sequence> running, std::uint32_t max_tokens) {
  std::vector<planned_chunk> plan;
  plan.reserve(running.size());
  auto budget = max_tokens;
  auto add = [&](std::size_t idx, std::uint32_t num_tokens) {
    plan.push_back({idx, num_tokens});
    budget -= num_tokens;
  };
  for (std::size_t i = 0; i < running.size() && budget > 0; ++i)
    if (running[i].is_decoding()) add(i, 1);
  for (std::size_t i = 0; i < running.size() && budget > 0; ++i)
    if (!running[i].is_decoding() && running[i].num_remaining() > 0)
      add(i, std::min(budget, running[i].num_remaining()));
  return plan;
}

std::uint32_t pages_lacking(const sequence& s, std::uint32_t num_tokens) {
  auto needed = pages_for(std::uint64_t{s.num_scheduled} + num_tokens);
  auto held = static_cast<std::uint32_t>(s.pages.size());
  return needed > held ? needed - held : 0;
}

std::optional<std::size_t> choose_victim(std::span<const sequence> running) {
  if (running.size() < 2) return std::nullopt;
  std::size_t victim = 0;
  for (std::size_t i = 1; i < running.size(); ++i)
    if (running[i].request.priority >= running[victim].request.priority) victim = i;
  return victim;
}

std::uint32_t admission_reserve(std::span<const sequence> running) {
  return static_cast<std::uint32_t>(running.size());
}

std::chrono::microseconds mask_patience(double last_step_seconds) {
  using namespace std::chrono_literals;
  auto half_a_step = std::chrono::duration<double>(last_step_seconds / 2);
  return std::clamp(std::chrono::duration_cast<std::chrono::microseconds>(half_a_step),
                    std::chrono::microseconds(2ms), std::chrono::microseconds(20ms));
}

std::uint32_t max_forced_tokens(const sequence& s) {
  // So that one answer keeps the others from their masks for a moment only.
  constexpr std::uint32_t max_at_once = 256;
  // The model's opinion of a token costs a row of logits, so then every token has its step.
  if (s.request.sampling.num_logprobs >= 0) return 0;
  return std::min(max_at_once, s.request.sampling.max_tokens - s.num_generated());
}

std::uint64_t count_pending_tokens(std::span<const sequence> running) {
  std::uint64_t sum = 0;
  for (auto& s : running)
    if (s.num_prompt() > s.num_computed) sum += s.num_prompt() - s.num_computed;
  return sum;
}

std::optional<finish_reason> ends_with(const generation_request& request, token_id token,
                                       std::uint32_t num_generated,
                                       std::span<const token_id> eos_token_ids) {
  const auto& s = request.sampling;
  auto is_in = [&](std::span<const token_id> ids) {
    return std::ranges::find(ids, token) != ids.end();
  };
  bool is_free_to_end = num_generated >= s.min_tokens;
  if (is_in(eos_token_ids) && (request.constraint || (is_free_to_end && !s.ignore_eos)))
    return finish_reason::stop;
  if (is_free_to_end && is_in(s.stop_token_ids)) return finish_reason::stop;
  if (num_generated >= s.max_tokens) return finish_reason::length;
  return std::nullopt;
}

rope_kind choose_rope(const generation_request& request, const engine_limits& limits) {
  if (limits.plain_rope_window == 0) return limits.default_rope;
  auto total = std::uint64_t{request.prompt.size()} + request.sampling.max_tokens;
  return total <= limits.plain_rope_window ? rope_kind::plain : rope_kind::scaled;
}

std::optional<failure> find_misfit(const generation_request& request, const engine_limits& limits) {
  auto misfit = [](error_code code, std::string message, std::string field) {
    return failure{.code = code, .message = std::move(message), .field = std::move(field)};
  };
  if (request.prompt.empty())
    return misfit(error_code::invalid_argument, "the prompt has no tokens", "prompt");
  if (request.sampling.max_tokens == 0)
    return misfit(error_code::invalid_argument, "max_tokens must be at least 1", "max_tokens");
  auto prompt = std::uint64_t{request.prompt.size()};
  auto total = prompt + request.sampling.max_tokens;
  if (total > limits.max_model_len)
    return misfit(error_code::invalid_argument,
                  "the prompt has " + std::to_string(prompt) + " tokens and max_tokens is " +
                      std::to_string(request.sampling.max_tokens) +
                      "; together they exceed the context of " +
                      std::to_string(limits.max_model_len) + " tokens",
                  prompt >= limits.max_model_len ? "prompt" : "max_tokens");
  if (pages_for(total) > limits.num_pages)
    return misfit(error_code::invalid_argument,
                  "the request needs " + std::to_string(pages_for(total)) +
                      " KV pages of 16 tokens and the server has " +
                      std::to_string(limits.num_pages),
                  "max_tokens");
  if (prompt > limits.max_waiting_tokens)
    return misfit(error_code::too_large,
                  "the prompt has " + std::to_string(prompt) +
                      " tokens and the whole queue holds " +
                      std::to_string(limits.max_waiting_tokens),
                  "prompt");
  return std::nullopt;
}

}  // namespace troupe
