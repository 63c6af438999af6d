// How a refusal looks: each API has its own form.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.hpp"

namespace troupe {

enum class error_style : std::uint8_t {
  openai,     // {"error": {"message", "type", "param", "code"}}; also ours
  anthropic,  // {"type": "error", "error": {"type", "message"}}
  tgi,        // {"error", "error_type"}; 422 for what is wrong with a well-formed body
};

std::string_view openai_error_type(int status);
// When to come again, in whole seconds and at least one; none where that is no matter of time.
std::optional<std::int64_t> retry_after_seconds(const http_error& error);
std::string error_body(const http_error& error, error_style style);
http_response to_response(const http_error& error, error_style style);

}  // namespace troupe
