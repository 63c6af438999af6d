// POST /generate. The key of the prompt chooses the API: "prompt" is ours, "text" or "input_ids"
// SGLang's, "inputs" TGI's.
#pragma once
#include <string_view>

#include "net/body_reader.hpp"

namespace troupe {

// Ours, whole: {"id", "text", "token_ids"?, "logprobs"?, "finish_reason", "seed", "usage"}; with
// several answers {"id", "choices": [{"index", "text", ...}], "usage"}. Streamed: the same with
// what is new of the text, reason and usage with the last piece; "index" where there are several.
outcome<answer_plan> read_generate_body(std::string_view body, body_context& context);

}  // namespace troupe
