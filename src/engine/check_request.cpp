#include "engine/check_request.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "core/plan_step.hpp"

namespace troupe {
namespace {

constexpr float max_bias = 100;

failure refuse(std::string field, const std::string& what) {
  auto message = field + " " + what;
  return {error_code::invalid_argument, std::move(message), std::move(field), {}};
}

refusal check_range(const char* field, float found, float low, float high, bool without_low) {
  if (found >= low && found <= high && !(without_low && found == low)) return nothing{};
  return refuse(field, "is " + std::to_string(found) + ", expected " +
                           (without_low ? "more than " : "") + std::to_string(low) + " to " +
                           std::to_string(high));
}

refusal check_ids(const char* field, std::span<const token_id> ids, std::uint32_t num_logits) {
  auto is_strange = [&](token_id id) {
    return id < 0 || static_cast<std::uint32_t>(id) >= num_logits;
  };
  const auto found = std::ranges::find_if(ids, is_strange);
  if (found == ids.end()) return nothing{};
  return refuse(field, "has the token " + std::to_string(*found) + ", expected ids from 0 to " +
                           std::to_string(num_logits - 1));
}

refusal check_biases(const sampling_params& s, std::uint32_t num_logits) {
  for (auto& [token, bias] : s.logit_bias) {
    auto known = check_ids("logit_bias", {&token, 1}, num_logits);
    if (!known) return known;
    auto fits = check_range("logit_bias", bias, -max_bias, max_bias, false);
    if (!fits) return fits;
  }
  return nothing{};
}

refusal check_counts(const sampling_params& s) {
  if (s.top_k < 0)
    return refuse("top_k", "is " + std::to_string(s.top_k) + ", expected 0 (all) or more");
  if (s.num_logprobs < -1 || s.num_logprobs > max_logprobs)
    return refuse("num_logprobs", "is " + std::to_string(s.num_logprobs) + ", expected -1 to " +
                                      std::to_string(max_logprobs));
  if (s.min_tokens > s.max_tokens)
    return refuse("min_tokens", "is " + std::to_string(s.min_tokens) +
                                    ", expected at most max_tokens, which is " +
                                    std::to_string(s.max_tokens));
  return nothing{};
}

}  // namespace

refusal check_request(const generation_request& request, const engine_limits& limits,
                      std::uint32_t num_logits) {
  auto& s = request.sampling;
  const refusal all[] = {
      check_range("temperature", s.temperature, 0, 2, false),
      check_range("top_p", s.top_p, 0, 1, true),
      check_range("min_p", s.min_p, 0, 1, false),
      check_range("presence_penalty", s.presence_penalty, -2, 2, false),
      check_range("frequency_penalty", s.frequency_penalty, -2, 2, false),
      check_range("repetition_penalty", s.repetition_penalty, 0, 2, true),
      check_counts(s),
      check_ids("stop_token_ids", s.stop_token_ids, num_logits),
      check_biases(s, num_logits),
      check_ids("prompt", request.prompt, num_logits),
  };
  for (const auto& one : all)
    if (!one) return one.error();
  if (auto misfit = find_misfit(request, limits)) return *std::move(misfit);
  return nothing{};
}

}  // namespace troupe
