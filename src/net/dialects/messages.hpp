// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API.
#pragma once
#include <string>
#include <string_view>

#include "net/body_reader.hpp"

namespace troupe {

outcome<answer_plan> read_messages_body(std::string_view body, body_context& context);

// {"input_tokens"}: what the same body would cost as a prompt.
outcome<std::string> count_tokens_body(std::string_view body, const service& facts);

}  // namespace troupe
