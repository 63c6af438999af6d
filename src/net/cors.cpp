#include "net/cors.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t max_headers_bytes = 1024;
constexpr std::string_view max_age_seconds = "600";

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_any(std::span<const std::string> allowed) { return std::ranges::count(allowed, "*") > 0; }

bool is_allowed(std::span<const std::string> allowed, std::string_view origin) {
  return !origin.empty() &&
         (is_any(allowed) || std::ranges::count(allowed, lower_case(origin)) > 0);
}

// Header names and commas: what a browser asks for, and nothing that would break our own head.
bool is_name_list(std::string_view text) {
  auto is_fine = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == ',' || c == ' ';
  };
  return !text.empty() && text.size() <= max_headers_bytes && std::ranges::all_of(text, is_fine);
}

// "example.com:8080" of "http://example.com:8080"; the scheme's own port goes without saying.
std::string authority_of(std::string_view scheme, std::string_view authority) {
  std::string_view port = scheme == "https" ? ":443" : ":80";
  if (authority.ends_with(port)) authority.remove_suffix(port.size());
  return lower_case(authority);
}

}  // namespace

std::optional<std::string> parse_origin(std::string_view text) {
  auto out = lower_case(text);
  if (out == "*" || out == "null") return out;
  auto end = out.find("://");
  if (end == std::string::npos || end == 0) return std::nullopt;
  auto is_fine = [](char c) { return c > ' ' && c < 127 && c != '/' && c != ',' && c != '*'; };
  std::string_view authority = std::string_view(out).substr(end + 3);
  if (authority.empty() || !std::ranges::all_of(authority, is_fine)) return std::nullopt;
  return out;
}

std::vector<http_header> cors_headers(std::span<const std::string> allowed,
                                      const http_request& request) {
  if (allowed.empty()) return {};
  std::vector<http_header> out;
  // What a cache keeps for one origin is nothing for another.
  if (!is_any(allowed)) out.emplace_back("Vary", "Origin");
  auto origin = request.header("Origin");
  if (!is_allowed(allowed, origin)) return out;
  if (is_any(allowed)) origin = "*";
  out.emplace_back("Access-Control-Allow-Origin", std::string(origin));
  out.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  return out;
}

std::optional<http_response> answer_preflight(std::span<const std::string> allowed,
                                              const http_request& request,
                                              std::string_view methods) {
  bool is_preflight = request.method == "OPTIONS" && !request.header("Origin").empty() &&
                      !request.header("Access-Control-Request-Method").empty();
  if (allowed.empty() || !is_preflight) return std::nullopt;
  http_response response{.status = 204};
  if (!is_allowed(allowed, request.header("Origin"))) return response;
  auto asked = request.header("Access-Control-Request-Headers");
  response.headers.emplace_back("Access-Control-Allow-Methods", std::string(methods));
  // Keys are shown explicitly and there are no cookies, so no header is more dangerous than
  // another: clients' libraries send dozens of their own.
  if (is_name_list(asked))
    response.headers.emplace_back("Access-Control-Allow-Headers", std::string(asked));
  response.headers.emplace_back("Access-Control-Max-Age", std::string(max_age_seconds));
  return response;
}

bool is_welcome(std::span<const std::string> allowed, const http_request& request) {
  auto origin = request.header("Origin");
  if (origin.empty() || is_allowed(allowed, origin)) return true;
  auto end = origin.find("://");
  if (end == std::string_view::npos) return false;
  auto scheme = lower_case(origin.substr(0, end));
  return authority_of(scheme, origin.substr(end + 3)) ==
         authority_of(scheme, request.header("Host"));
}

}  // namespace troupe
