// Who may come in, how often, and from where: what the command line decides for the gate.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/rate_limiter.hpp"
#include "net/api_keys.hpp"
#include "net/client_address.hpp"

namespace troupe {

class access_log;

struct gate_options {
  std::vector<api_key> keys;         // empty: everybody may come in
  bool metrics_without_key = false;  // also with keys
  std::vector<network> trusted_proxies;
  std::vector<std::string> allowed_origins;  // of pages from elsewhere, in lower case; "*": all
  rate_limit rate;                           // of each client; 0 per second: none
  int rate_limit_status = 429;
  std::int64_t tokens_per_minute = 0;          // of each client; 0: as many as it likes
  std::uint32_t max_connections_per_ip = 256;  // 0: no limit
  bool limits_loopback = false;                // by the line above, too
  std::shared_ptr<access_log> log;             // null: none
  bool log_prompts = false;
};

// Somebody must be asked before a request goes in.
inline bool has_limits(const gate_options& gate) {
  bool has_any = gate.rate.milli_per_second > 0 || gate.tokens_per_minute > 0;
  for (auto& key : gate.keys) has_any |= key.milli_per_second || key.tokens_per_minute;
  return has_any;
}

}  // namespace troupe
