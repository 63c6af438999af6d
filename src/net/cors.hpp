// What pages from elsewhere may do: cross-origin resource sharing as the Fetch standard has it, and
// the check that it leaves to the server: who may open a WebSocket. Pure.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_message.hpp"

namespace troupe {

// "https://chat.example:8443", "null" or "*", in lower case; nothing for anything else.
std::optional<std::string> parse_origin(std::string_view text);

// For every answer to `request`.
std::vector<http_header> cors_headers(std::span<const std::string> allowed,
                                      const http_request& request);

// The answer to a browser's question before the real request; nothing if `request` is none, or if
// no origin is allowed at all. `methods` are those of the path.
std::optional<http_response> answer_preflight(std::span<const std::string> allowed,
                                              const http_request& request,
                                              std::string_view methods);

// A browser says where the page comes from and shows its answers to nobody else, but it opens
// WebSockets and sends forms for any page: only one of our own host or of an allowed origin may.
// Who sends no Origin is no browser.
bool is_welcome(std::span<const std::string> allowed, const http_request& request);

}  // namespace troupe
