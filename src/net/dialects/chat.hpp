// POST /v1/chat/completions: OpenAI's chat completions, with vLLM's fields for sampling.
#pragma once
#include <string_view>

#include "net/body_reader.hpp"

namespace troupe {

outcome<answer_plan> read_chat_body(std::string_view body, body_context& context);

// Where the model may call one tool only, the end of the first call ends its answer.
void stop_after_first_call(sampling_params& sampling, const service& facts);

}  // namespace troupe
