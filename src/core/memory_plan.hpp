// What a device's memory is spent on, decided before anything is served. Knows no device: the
// caller says what its weights, a step and a KV page cost.
#pragma once
#include "core/outcome.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

struct memory_request {
  std::uint64_t weight_bytes = 0;      // held as long as the process lives
  std::uint64_t activation_bytes = 0;  // the largest step: max_num_batched_tokens rows
  std::uint64_t margin_bytes = 0;      // runtime, tables, allocator
  std::uint64_t kv_page_bytes = 0;     // K and V of page_size_tokens tokens, all layers; > 0
  std::string kv_dtype;                // what they are stored as, in a word, for people

  // What everything together may take: an explicit amount, or the caller's fraction of what is
  // available. None: only where the KV cache's own size is given.
  std::optional<std::uint64_t> total_bytes;
  // The KV cache's size, as bytes or as pages; at most one of the two. None: what is left of total.
  std::optional<std::uint64_t> kv_cache_bytes;
  std::optional<std::uint64_t> num_pages;

  std::uint32_t max_model_len = 0;  // tokens
  std::uint32_t max_num_seqs = 0;
  std::uint32_t max_num_batched_tokens = 0;
  std::string total_flag = "--memory";  // which flag a message tells the user to change
};

struct memory_plan {
  memory_request request;
  std::uint32_t num_pages = 0;
  std::uint64_t kv_bytes = 0;
  std::uint64_t planned_bytes = 0;  // weights + activations + margin + kv_bytes
  // Prompt and completion of the longest request that can run alone: max_model_len fits always.
  std::uint32_t longest_request_tokens = 0;
  std::uint64_t cached_tokens = 0;  // num_pages * page_size_tokens
  // Requests of that many tokens (2048, or max_model_len if less) that run at once without sharing
  // pages.
  std::uint32_t typical_request_tokens = 0;
  std::uint32_t concurrent_requests = 0;
};

// Refuses a plan that does not fit, or whose pages do not hold one request of max_model_len; the
// failure says which flag to set to which number.
outcome<memory_plan> plan_memory(const memory_request& request);

// The plan as a sum with a comment on every line, for `--plan` and the log.
std::string to_text(const memory_plan& plan);

}  // namespace troupe
