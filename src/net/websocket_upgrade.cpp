#include "net/websocket_upgrade.hpp"

#include <algorithm>
#include <string_view>

namespace troupe {
namespace {

bool is_base64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

// 16 bytes in base64.
bool is_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") &&
         std::ranges::all_of(key.substr(0, 22), is_base64);
}

// One of the words in a list such as "keep-alive, Upgrade".
bool lists(std::string_view header, std::string_view word) {
  while (!header.empty()) {
    auto end = std::min(header.find(','), header.size());
    auto item = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (equals_ignoring_case(item, word)) return true;
  }
  return false;
}

http_error refuse(int status, std::string message, std::string param, std::string code) {
  return {.status = status,
          .message = std::move(message),
          .param = std::move(param),
          .code = std::move(code)};
}

}  // namespace

std::optional<http_error> check_upgrade(const http_request& request) {
  if (!lists(request.header("Upgrade"), "websocket") ||
      !lists(request.header("Connection"), "upgrade")) {
    auto error = refuse(426, "this path speaks WebSocket: expected an upgrade to it", "Upgrade",
                        "upgrade_required");
    error.headers = {{"Upgrade", "websocket"}};
    return error;
  }
  if (request.is_http_1_0 || request.method != "GET")
    return refuse(400, "a WebSocket begins with GET and HTTP/1.1", "", "invalid_upgrade");
  if (request.header("Sec-WebSocket-Version") != "13") {
    auto error = refuse(426, "the only version of WebSocket that is spoken is 13",
                        "Sec-WebSocket-Version", "unsupported_version");
    error.headers = {{"Sec-WebSocket-Version", "13"}};
    return error;
  }
  if (!is_key(request.header("Sec-WebSocket-Key")))
    return refuse(400, "expected 16 bytes in base64", "Sec-WebSocket-Key", "invalid_upgrade");
  return std::nullopt;
}

}  // namespace troupe
