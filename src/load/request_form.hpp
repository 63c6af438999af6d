// How a conversation becomes the body of a request, for each API.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "load/prompts.hpp"

namespace troupe::load {

enum class api_kind : std::uint8_t { generate, completions, chat };
std::string_view to_string(api_kind api);
// The path of its requests, "/v1/chat/completions".
std::string_view path_of(api_kind api);

struct request_form {
  api_kind api = api_kind::chat;
  bool is_stream = true;
  bool is_websocket = false;
  std::string model;  // empty: not sent
  std::optional<double> temperature;
  bool ignore_eos = false;
  std::string schema;  // JSON that answers must follow; empty: none
  std::string extra;   // members of a JSON object, without its braces; may be empty

  // JSON. `answers` are those to the turns before `turn`. A canary is asked greedily.
  std::string body(const conversation& talk, std::size_t turn, std::span<const std::string> answers,
                   bool is_canary) const;
};

// The first bytes of an HTTP request, up to the value of Content-Length.
std::string http_head(std::string_view method, std::string_view target, std::string_view host,
                      std::string_view bearer_token);
// A whole HTTP request.
std::string http_request(std::string_view head, std::string_view body);
// A frame of docs/websocket.md.
std::string websocket_frame(std::string_view id, std::string_view path, std::string_view body);

}  // namespace troupe::load
