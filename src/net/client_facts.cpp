#include "net/client_facts.hpp"

namespace troupe {

client_facts identify(const gate_options& gate, const asio::ip::address& peer,
                      const http_request& request) {
  auto address = client_address(peer, request.headers, gate.trusted_proxies);
  client_facts who{.address = address.to_string(),
                   .is_encrypted = came_encrypted(peer, request.headers, gate.trusted_proxies),
                   .has_access = gate.keys.empty(),
                   .limit_key = "address " + address_key(address),
                   .rate = gate.rate,
                   .tokens_per_minute = gate.tokens_per_minute};
  if (auto found = find_key(gate.keys, shown_key(request))) {
    auto& key = gate.keys[*found];
    who.has_access = true;
    who.key_name = key.name;
    who.cache_salt = *found + 1;
    who.limit_key = "key " + key.name;
    who.rate.milli_per_second = key.milli_per_second.value_or(who.rate.milli_per_second);
    who.rate.milli_burst = key.milli_burst.value_or(who.rate.milli_burst);
    who.tokens_per_minute = key.tokens_per_minute.value_or(who.tokens_per_minute);
  }
  return who;
}

}  // namespace troupe
