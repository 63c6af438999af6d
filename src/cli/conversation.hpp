// The turns of a chat, the body that asks for the next one, and what comes back. Plain values.
#pragma once
#include "core/outcome.hpp"
#include "text/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct turn {
  std::string role;  // "user" or "assistant"
  std::string content;
};

struct conversation {
  std::string system;  // empty: none
  std::vector<turn> turns;
};

struct chat_sampling {
  std::string model;  // empty: what the server calls its own
  std::optional<double> temperature;
  std::optional<std::uint32_t> max_tokens;
  std::optional<std::int64_t> seed;
  bool stream = true;
};

// The body of POST /v1/chat/completions.
std::string chat_body(const conversation& talk, const chat_sampling& how);

// A file of /save and /load: {"messages": [{"role": ..., "content": ...}, ...]}.
std::string conversation_json(const conversation& talk);
outcome<conversation> parse_conversation(std::string_view text);

// One event of a streamed answer, or a whole answer.
struct chat_piece {
  std::string content;
  std::optional<std::uint64_t> completion_tokens;
  bool is_done = false;  // "[DONE]"
};
outcome<chat_piece> parse_chat_piece(std::string_view json);

// The sentence in the body of an error, in whichever shape it stands there.
std::string error_message(std::string_view body);

// The first name that GET /v1/models gives, or empty.
std::string first_model(std::string_view body);

// Without what could command a terminal: control characters but line feeds and tabs.
std::string printable(std::string_view utf8);

}  // namespace troupe
