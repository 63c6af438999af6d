// HTTP messages as values: what a route reads and what it answers. No I/O here.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/outcome.hpp"

namespace troupe {

using http_header = std::pair<std::string, std::string>;

struct http_request {
  std::string method;
  std::string path;   // the target up to '?', never empty, begins with '/'
  std::string query;  // after '?'
  std::vector<http_header> headers;
  std::string body;
  bool is_http_1_0 = false;
  bool keep_alive = true;

  // The value of the first header of that name (any case), or empty.
  std::string_view header(std::string_view name) const;
};

struct http_response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<http_header> headers;  // beyond Content-Type, Content-Length, Connection
};

// A refusal as the client sees it.
struct http_error {
  int status = 400;
  std::string message;
  std::string param;  // the body's field, empty when it is the whole request
  std::string code;   // a word for programs
  std::chrono::milliseconds retry_after{0};
  std::vector<http_header> headers;
};

http_error to_http_error(const failure& why);

std::string_view reason_phrase(int status);
bool equals_ignoring_case(std::string_view a, std::string_view b);
// True for "application/json" with or without parameters.
bool is_json_content(std::string_view content_type);

struct head_options {
  bool keep_alive = true;
  bool is_http_1_0 = false;
};

// The status line, the headers and the empty line. The length is the body's.
std::string serialise_head(const http_response& response, head_options options);
// The same of a body that is elsewhere.
std::string serialise_head(const http_response& response, std::uint64_t num_body_bytes,
                           head_options options);
// The head of a response whose length is unknown: chunked, or until the end with HTTP/1.0.
std::string serialise_stream_head(const std::vector<http_header>& headers, head_options options);
// `data` as one chunk; empty data is no chunk, because that would end the body.
void append_chunk(std::string& out, std::string_view data);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace troupe
