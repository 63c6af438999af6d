// The bounds that an engine runs within. Every number has a flag of the same name.
#pragma once
#include "core/batch.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

struct engine_limits {
  std::uint32_t max_num_seqs = 64;              // sequences in one step, and slots
  std::uint32_t max_num_batched_tokens = 512;   // rows in one step
  std::uint32_t max_model_len = 4096;           // prompt + completion, tokens
  std::uint32_t num_pages = 0;                  // KV pages, from the memory plan
  std::uint32_t max_waiting_requests = 1024;    // request_queue: count
  std::uint64_t max_waiting_tokens = 1U << 20;  // request_queue: prompt tokens
  bool enable_prefix_caching = true;
  // A router wants to know which prefixes are cached, by keys under this secret.
  std::optional<std::uint64_t> prefix_secret;
  std::chrono::milliseconds queue_timeout{60'000};
  std::chrono::milliseconds request_timeout{600'000};
  std::vector<token_id> eos_token_ids;
  std::uint32_t vocab_size = 0;  // ids that the tokenizer knows: bits of a token mask
  // A request whose prompt + max_tokens stay within this window runs with plain RoPE, the others
  // with YaRN. 0: every request runs with `default_rope`.
  std::uint32_t plain_rope_window = 0;
  rope_kind default_rope = rope_kind::plain;
  // Guesses at the next tokens (see core/prompt_lookup.hpp): of one row at most, 0: none; how many
  // tokens must have stood before; and the rows of a step, guesses among them, that may have some.
  std::uint32_t num_speculative_tokens = 0;
  std::uint32_t prompt_lookup_min = 2;
  std::uint32_t prompt_lookup_max = 5;
  std::uint32_t max_speculative_rows = 8;
};

}  // namespace troupe
