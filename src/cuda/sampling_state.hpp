// What the device knows of a sequence to sample it: model/sampler.hpp's slot in flat memory, which
// the kernel advances itself, so that steps may be enqueued before their samples are seen.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/batch.hpp"

namespace troupe::cuda {

struct token_use {
  std::int32_t token = 0;
  std::uint32_t num_outputs = 0;  // how often it is in the output
};

struct token_bias {
  std::int32_t token = 0;
  float bias = 0;
};

// One slot, in device memory.
struct sampling_slot {
  float temperature = 1.0F;
  float top_p = 1.0F;
  float min_p = 0.0F;
  std::int32_t top_k = 0;
  float presence_penalty = 0.0F;
  float frequency_penalty = 0.0F;
  float repetition_penalty = 1.0F;
  std::int32_t num_logprobs = -1;
  std::uint64_t seed = 0;
  std::uint64_t position = 0;     // tokens so far, prompt and output; the kernel adds to it
  std::uint64_t num_outputs = 0;  // the kernel adds to it
  std::uint32_t min_tokens = 0;
  // Every token of prompt and output once, in any order; only where a penalty wants them.
  std::uint32_t counts_uses = 0;  // 1: the kernel counts what it chooses
  token_use* uses = nullptr;      // [max_uses]
  std::uint32_t num_uses = 0;
  std::uint32_t max_uses = 0;  // a token that finds no room is not counted: give enough
  std::uint32_t num_biases = 0;
  std::uint32_t num_impossible = 0;
  const token_bias* biases = nullptr;        // [num_biases], added in this order
  const std::int32_t* impossible = nullptr;  // [num_impossible], below min_tokens
};

// What a slot starts with: upload the lists, point `slot` to them, upload it.
struct slot_image {
  sampling_slot slot;                    // pointers and max_uses are the caller's to set
  std::vector<token_use> uses;           // empty unless a penalty wants them
  std::vector<token_bias> biases;        // of ids below num_tokens
  std::vector<std::int32_t> impossible;  // eos and stop ids below num_tokens
  // Room that uses need until the sequence ends.
  std::uint32_t max_uses = 0;
};

slot_image make_slot_image(const slot_start& start, std::span<const token_id> eos_token_ids,
                           std::uint32_t num_tokens);

}  // namespace troupe::cuda
