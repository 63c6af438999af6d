#include "net/http_url.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

failure wrong(std::string_view text, std::string_view expected) {
  std::string why = "expected a URL such as http://127.0.0.1:8080";
  why.append(expected).append(", found ").append(text);
  return {error_code::invalid_argument, std::move(why), "url"};
}

bool is_port(std::string_view text) {
  unsigned number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= 1 && number <= 65535;
}

// Takes a prefix off.
bool skip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string http_url::authority() const {
  auto out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (is_tls ? "443" : "80") ? out : out + ":" + port;
}

outcome<http_url> parse_url(std::string_view text) {
  auto rest = text;
  http_url out;
  out.is_tls = skip(rest, "https://");
  if (!out.is_tls && !skip(rest, "http://")) return wrong(text, "");
  auto is_visible = [](char c) { return c > ' ' && c < 0x7F; };
  if (!std::ranges::all_of(rest, is_visible)) return wrong(text, " without blanks");
  if (rest.find_first_of("@?#") != std::string_view::npos)
    return wrong(text, " without user, query and fragment");
  auto slash = std::min(rest.find('/'), rest.size());
  auto place = rest.substr(0, slash);
  out.path = rest.substr(slash);
  while (out.path.ends_with('/')) out.path.pop_back();
  if (place.starts_with('[')) {
    auto end = place.find(']');
    if (end == std::string_view::npos) return wrong(text, " with ] after an IPv6 address");
    out.host = place.substr(1, end - 1);
    place.remove_prefix(end + 1);
  } else {
    out.host = place.substr(0, place.find(':'));
    place.remove_prefix(out.host.size());
  }
  bool has_port = skip(place, ":");
  if (out.host.empty() || (!has_port && !place.empty())) return wrong(text, "");
  if (has_port && !is_port(place)) return wrong(text, " with a port from 1 to 65535");
  out.port = has_port ? std::string(place) : out.is_tls ? "443" : "80";
  return out;
}

}  // namespace troupe
