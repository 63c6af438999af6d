// Where a client connects to: http://host[:port][/path] or https://...
#pragma once
#include "core/outcome.hpp"

#include <string>
#include <string_view>

namespace troupe {

struct http_url {
  bool is_tls = false;
  std::string host;  // without the brackets of an IPv6 address
  std::string port;  // 80 or 443 if the text gives none
  std::string path;  // empty, or from its slash on, without one at its end

  // As the Host header wants it: the port only where it is not the scheme's own.
  std::string authority() const;
};

outcome<http_url> parse_url(std::string_view text);

}  // namespace troupe
