// API keys: how they are written in a file, how a request shows one, and who it is that has it.
// Keys are secrets: only their names are logged or told. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/outcome.hpp"
#include "net/http_message.hpp"

namespace troupe {

struct api_key {
  std::string name;
  std::string secret;
  // What the file says for this key instead of the server's own limits.
  std::optional<std::int64_t> milli_per_second;
  std::optional<std::int64_t> milli_burst;
  std::optional<std::int64_t> tokens_per_minute;
};

inline constexpr std::size_t max_api_keys = 4096;
inline constexpr std::size_t max_secret_bytes = 256;
inline constexpr std::int64_t max_burst = 1'000'000;  // requests

// Nothing wrong, or why this cannot be a key: other characters than visible ASCII, or too long.
refusal check_secret(std::string_view secret);

// A line each: name key [rate=2r/s] [burst=4] [tokens=100000/min]. A line that begins with # is a
// comment. The failure names `file` and the line, never a key.
outcome<std::vector<api_key>> read_api_keys(std::string_view text, const std::string& file);
// Names and keys are unique, there are not too many.
refusal check_api_keys(const std::vector<api_key>& keys);

// The key that the request shows, or empty: "Authorization: Bearer KEY", or "x-api-key: KEY", or
// for browsers, whose WebSockets can send no header of their own, the offer of a subprotocol
// "troupe.key.KEY" beside "troupe". Not in the query: that is what every log on the way keeps.
std::string_view shown_key(const http_request& request);

// Index of the key, or nothing. Takes as long for a wrong key as for a right one.
std::optional<std::size_t> find_key(const std::vector<api_key>& keys, std::string_view secret);

bool wants_websocket(const http_request& request);
// Whether the client offers this subprotocol for its WebSocket.
bool offers_protocol(const http_request& request, std::string_view protocol);

}  // namespace troupe
