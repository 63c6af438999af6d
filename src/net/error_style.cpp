#include "net/error_style.hpp"

#include <algorithm>
#include <string_view>

#include "text/json_builder.hpp"

namespace troupe {
namespace {

std::string_view anthropic_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 408:
    case 504: return "timeout_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

std::string_view tgi_type(int status) {
  switch (status) {
    case 429:
    case 503: return "overloaded";
    case 504: return "incomplete_generation";
    default: return status < 500 ? "validation" : "generation";
  }
}

std::string openai_body(const http_error& error) {
  std::string out;
  json_builder json(out);
  json.begin_object().key("error").begin_object();
  json.field("message", error.message).field("type", openai_error_type(error.status));
  json.field_or_null("param", error.param.empty() ? nullptr : &error.param);
  json.field("code", error.code);
  json.end_object().end_object();
  return out;
}

// There is no place for the field but the sentence.
std::string with_field(const http_error& error) {
  bool is_named = error.message.find(error.param) != std::string::npos;
  return is_named ? error.message : error.param + ": " + error.message;
}

std::string anthropic_body(const http_error& error) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("type", "error").key("error").begin_object();
  json.field("type", anthropic_type(error.status)).field("message", with_field(error));
  json.end_object().end_object();
  return out;
}

std::string tgi_body(const http_error& error) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("error", with_field(error));
  json.field("error_type", tgi_type(error.status)).end_object();
  return out;
}

}  // namespace

std::string_view openai_error_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 408:
    case 504: return "timeout_error";
    case 503: return "service_unavailable_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

std::optional<std::int64_t> retry_after_seconds(const http_error& error) {
  bool come_again = error.status == 429 || error.status == 503;
  if (!come_again && error.retry_after.count() <= 0) return std::nullopt;
  auto seconds = std::chrono::ceil<std::chrono::seconds>(error.retry_after).count();
  return std::max<std::int64_t>(1, seconds);
}

std::string error_body(const http_error& error, error_style style) {
  switch (style) {
    case error_style::openai: return openai_body(error);
    case error_style::anthropic: return anthropic_body(error);
    case error_style::tgi: return tgi_body(error);
  }
  return {};
}

http_response to_response(const http_error& error, error_style style) {
  http_response response{
      .status = error.status, .body = error_body(error, style) + "\n", .headers = error.headers};
  if (style == error_style::tgi && error.status == 400) response.status = 422;
  if (auto seconds = retry_after_seconds(error))
    response.headers.emplace_back("Retry-After", std::to_string(*seconds));
  return response;
}

}  // namespace troupe
