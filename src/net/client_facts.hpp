// Who sent a request, as far as the gate can tell. Pure.
#pragma once
#include <cstdint>
#include <string>

#include "core/rate_limiter.hpp"
#include "net/gate_options.hpp"
#include "net/http_message.hpp"

namespace troupe {

struct client_facts {
  std::string address;                 // behind trusted proxies: what they say
  bool is_encrypted = false;           // from the client to whoever speaks to us
  bool has_access = false;             // it showed a key that we know, or none is needed
  std::string key_name;                // of its API key; empty: none
  std::uint64_t cache_salt = 0;        // prefixes are shared within one key only
  std::string limit_key;               // what limits count by: the key's name or the address
  rate_limit rate;                     // 0 per second: none
  std::int64_t tokens_per_minute = 0;  // 0: no limit
};

client_facts identify(const gate_options& gate, const asio::ip::address& peer,
                      const http_request& request);

}  // namespace troupe
