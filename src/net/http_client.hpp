// A blocking HTTP/1.1 client: one call, one connection; plain or TLS; the body as it comes.
#pragma once
#include "core/outcome.hpp"
#include "net/http_url.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace troupe {

struct client_options {
  std::chrono::milliseconds connect_timeout{10'000};  // TCP and TLS together
  std::chrono::milliseconds idle_timeout{600'000};    // without a byte
  bool verify_certificate = true;
  std::string ca_file;       // PEM; empty: those that the system trusts
  std::string bearer_token;  // sent if not empty
  int cancel_fd = -1;        // a call ends when this becomes readable
};

struct http_call {
  std::string method = "GET";
  std::string target;  // below the path of the URL, with its slash
  std::string json;    // the body, if any
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct http_answer {
  unsigned status = 0;  // 0: it was ended before there was one
  std::string content_type;
  bool is_whole = false;  // false: ended by the reader or by cancel_fd
};

// Takes a piece of the body; false ends the call.
using body_reader = std::function<bool(const http_answer& head, std::string_view piece)>;

// The failure names the server and what it failed at.
outcome<http_answer> call_server(const http_url& where, const client_options& options,
                                 const http_call& call, const body_reader& on_body);

}  // namespace troupe
