// One question and its answer: asks the server, hands on the text as it comes, keeps the times.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "cli/conversation.hpp"
#include "net/http_client.hpp"

namespace troupe {

struct chat_answer {
  std::string content;
  std::string error;  // empty: none
  bool is_cancelled = false;
  std::uint64_t num_tokens = 0;
  std::chrono::duration<double> first_token{0};  // since the question
  std::chrono::duration<double> last_token{0};
};

// "0.12 s to the first token, 34 tokens, 25.1 tokens/s"
std::string describe(const chat_answer& answer);

chat_answer ask_server(const http_url& where, const client_options& client,
                       const conversation& talk, const chat_sampling& how,
                       const std::function<void(const std::string&)>& on_text);

// What the server calls its model; empty if it does not say.
std::string ask_model(const http_url& where, const client_options& client);

}  // namespace troupe
