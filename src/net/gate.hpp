// What a request must pass before its route sees it: where it comes from, whose key it shows, how
// often its sender came. And what its tokens are charged to.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>

#include "net/bridge.hpp"
#include "net/client_facts.hpp"
#include "net/http_message.hpp"
#include "net/route_table.hpp"
#include "net/server_context.hpp"
#include "net/token_account.hpp"

namespace troupe {

class exchange;

// Limits count what computes: POST and WebSockets, but for what steers the house.
bool is_limited(const http_request& request, const route_match& match);

// What is wrong with a request whose body has not come yet: nobody's body costs memory before its
// sender has shown a key.
std::optional<http_error> object_to_head(const server_context& house, const client_facts& who,
                                         const http_request& head, const route_match& match);

// False: the request was answered, or its sender left. May take as long as its sender must wait.
asio::awaitable<bool> pass_gate(exchange& turn, const route_match& match);

// Counts a call that came over a connection which is past the gate: one generation of a WebSocket.
// It never waits; an error: it came too often.
asio::awaitable<std::optional<http_error>> count_call(server_context& house, strand_home home,
                                                      const client_facts& who);

// Charges what a call may use at most, prompt and completion, to its client. An error: the call
// must not be made.
asio::awaitable<std::optional<http_error>> charge_call(server_context& house, strand_home home,
                                                       const client_facts& who,
                                                       std::shared_ptr<token_account> account,
                                                       std::int64_t num_tokens);

}  // namespace troupe
