// What OpenAI's APIs have in common in their JSON.
#pragma once
#include <optional>
#include <string_view>

#include "net/answer_piece.hpp"
#include "net/body_fields.hpp"
#include "text/json_builder.hpp"
#include "text/tokenizer.hpp"

namespace troupe {

inline constexpr std::string_view openai_fingerprint = "troupe-" TROUPE_VERSION;

struct openai_stream {
  bool is_wanted = false;
  bool has_usage = false;  // stream_options.include_usage
};
openai_stream read_openai_stream(body_fields& fields);

// "usage": {...}
void append_openai_usage(json_builder& json, const token_usage& usage);
// [{"token", "logprob", "bytes", "top_logprobs"}]
void append_logprob_list(json_builder& json, const tokenizer& words,
                         const std::vector<answer_token>& tokens);
// The value of a chat's "logprobs".
void append_chat_logprobs(json_builder& json, const tokenizer& words,
                          const std::vector<answer_token>& tokens);
// "finish_reason" and "stop_reason" (vLLM's: the stop string or token that ended it); null before
// the end.
void append_openai_finish(json_builder& json, const std::optional<answer_end>& end);

}  // namespace troupe
