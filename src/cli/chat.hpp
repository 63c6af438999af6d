// `troupe chat`: talks to a server over POST /v1/chat/completions, on a terminal or line by line.
#pragma once
#include <string>

#include "cli/conversation.hpp"
#include "net/http_client.hpp"

namespace troupe {

struct chat_options {
  std::string url = "http://127.0.0.1:8080";
  std::string system;
  std::string api_key;  // empty: of TROUPE_API_KEY or OPENAI_API_KEY
  chat_sampling sampling;
  client_options client;
};

// Answers the exit status: 1 if the URL is none or, line by line, an answer failed.
int run_chat(const chat_options& options);

}  // namespace troupe
