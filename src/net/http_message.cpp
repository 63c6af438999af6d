#include "net/http_message.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_status_line(std::string& out, int status) {
  // Also to an HTTP/1.0 request: the version says what we speak, not what was asked.
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
  out.append(reason_phrase(status)).append("\r\n");
}

void append_connection(std::string& out, head_options options) {
  if (!options.keep_alive)
    append_header(out, "Connection", "close");
  else if (options.is_http_1_0)
    append_header(out, "Connection", "keep-alive");
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view http_request::header(std::string_view name) const {
  for (auto& [key, value] : headers)
    if (equals_ignoring_case(key, name)) return value;
  return {};
}

bool is_json_content(std::string_view content_type) {
  auto end = std::min(content_type.find(';'), content_type.size());
  while (end > 0 && (content_type[end - 1] == ' ' || content_type[end - 1] == '\t')) --end;
  return equals_ignoring_case(content_type.substr(0, end), "application/json");
}

http_error to_http_error(const failure& why) {
  http_error error{.message = why.message, .param = why.field, .retry_after = why.retry_after};
  switch (why.code) {
    case error_code::invalid_argument:
      error.status = 400;
      error.code = "invalid_value";
      break;
    case error_code::not_found:
      error.status = 404;
      error.code = "not_found";
      break;
    case error_code::too_large:
      error.status = 400;
      error.code = "too_large";
      break;
    case error_code::queue_full:
      error.status = 429;
      error.code = "queue_full";
      break;
    case error_code::timed_out:
      error.status = 504;
      error.code = "timed_out";
      break;
    case error_code::engine_failed:
      error.status = 500;
      error.code = "engine_failed";
      break;
    case error_code::unavailable:
      error.status = 503;
      error.code = "unavailable";
      break;
    case error_code::shutting_down:
      error.status = 503;
      error.code = "shutting_down";
      break;
    case error_code::io_error:
      error.status = 500;
      error.code = "io_error";
      break;
    case error_code::unsupported:
      error.status = 400;
      error.code = "unsupported";
      break;
    case error_code::constraint_failed:
      error.status = 500;
      error.code = "constraint_failed";
      break;
  }
  return error;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string serialise_head(const http_response& response, head_options options) {
  return serialise_head(response, response.body.size(), options);
}

std::string serialise_head(const http_response& response, std::uint64_t num_body_bytes,
                           head_options options) {
  std::string out;
  append_status_line(out, response.status);
  // A 204 has no content, so it may not say how long that is; and what is said about the body of a
  // 304 would be taken for that of the copy.
  if (response.status != 204 && response.status != 304) {
    append_header(out, "Content-Type", response.content_type);
    append_header(out, "Content-Length", std::to_string(num_body_bytes));
  }
  append_connection(out, options);
  for (auto& [name, value] : response.headers) append_header(out, name, value);
  return out += "\r\n";
}

std::string serialise_stream_head(const std::vector<http_header>& headers, head_options options) {
  std::string out;
  append_status_line(out, 200);
  append_header(out, "Content-Type", "text/event-stream; charset=utf-8");
  append_header(out, "Cache-Control", "no-store");
  // A proxy that collects events before it passes them on would undo the streaming.
  append_header(out, "X-Accel-Buffering", "no");
  if (!options.is_http_1_0) append_header(out, "Transfer-Encoding", "chunked");
  append_connection(out, options);
  for (auto& [name, value] : headers) append_header(out, name, value);
  return out += "\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  char size[16];
  auto end = std::to_chars(size, size + sizeof size, data.size(), 16).ptr;
  out.append(size, end).append("\r\n").append(data).append("\r\n");
}

}  // namespace troupe
