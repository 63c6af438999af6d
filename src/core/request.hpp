// One generation job as it waits for admission, and the facts that end it.
#pragma once
#include "core/id.hpp"
#include "core/sampling.hpp"
#include "core/token_constraint.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

using steady_time = std::chrono::steady_clock::time_point;

struct generation_request {
  request_id id;
  std::vector<token_id> prompt;  // [num_prompt_tokens], never empty
  sampling_params sampling;
  // What another replica answered before it was lost: the answer goes on behind these tokens.
  std::vector<token_id> generated;
  token_constraint_ptr constraint;  // what the answer must look like; null: anything
  // What the constraint was made from: it cannot travel itself. Null where there is none.
  std::shared_ptr<const std::string> grammar_text;
  std::int32_t priority = 0;     // lower runs first
  std::uint64_t cache_salt = 0;  // prefixes are shared among equal salts only; 62 bits count
  steady_time arrival{};         // when the first byte of the request was understood
  steady_time queued{};          // when the queue accepted it
  steady_time last_token{};      // when the last one of `generated` came
  steady_time deadline{};        // when it ends as timed_out wherever it is
};

// A seed for the request of that number: the same engine with the same seed draws the same ones.
std::uint64_t draw_seed(std::uint64_t engine_seed, request_id number);

enum class finish_reason : std::uint8_t { stop, length, cancelled, failed, timed_out };
std::string_view to_string(finish_reason why);

struct token_logprob {
  token_id token = 0;
  float logprob = 0;
};

// What the model thought of one generated token: the token itself first, then the most likely ones.
struct sampled_token {
  token_id token = 0;
  float logprob = 0;                       // of the token, from the raw logits; 0 if not asked for
  std::vector<token_logprob> most_likely;  // [num_logprobs], descending
};

struct token_usage {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;  // of the prompt, taken from the prefix cache
  std::uint32_t completion_tokens = 0;
};

}  // namespace troupe
