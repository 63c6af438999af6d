// What the server says on /ws (docs/websocket.md), as text. Pure.
#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "core/request.hpp"
#include "net/http_message.hpp"

namespace troupe {

struct answer_times {
  std::chrono::duration<double, std::milli> to_first_token{0};
  std::chrono::duration<double, std::milli> total{0};
};

std::string accepted_frame(std::string_view id, std::string_view call_id);
// `data` is JSON.
std::string tokens_frame(std::string_view id, std::string_view data);
std::string finished_frame(std::string_view id, finish_reason why, const token_usage& usage,
                           const answer_times& times);
// Without an id it is about no generation.
std::string error_frame(std::string_view id, const http_error& error);
// `id` is JSON.
std::string pong_frame(std::string_view id);

}  // namespace troupe
