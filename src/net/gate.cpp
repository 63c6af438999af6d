#include "net/gate.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "net/cors.hpp"
#include "net/exchange.hpp"
#include "net/routes/routes.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 2000ms;  // the gatekeeper never computes

// Open to everybody, with keys and without: what machines watch, and the page itself.
bool is_free(const gate_options& gate, const route_match& match) {
  constexpr std::array free_handlers{&answer_health, &answer_ready, &answer_page};
  if (match.found == nullptr) return false;
  if (gate.metrics_without_key && match.found->handler == &answer_metrics) return true;
  return std::ranges::count(free_handlers, match.found->handler) > 0;
}

bool is_control(const route_match& match) {
  return match.found != nullptr && match.found->is_control;
}

http_error wrong_key(const http_request& request) {
  return {
      .status = 401,
      .message = shown_key(request).empty()
                     ? "an API key is needed: \"Authorization: Bearer KEY\" or \"x-api-key: KEY\""
                     : "the server does not know this API key",
      .code = "invalid_api_key",
      .headers = {{"WWW-Authenticate", "Bearer realm=\"troupe\""}}};
}

http_error too_often(int status, std::chrono::milliseconds retry_after) {
  return {.status = status,
          .message = "requests come faster than the limit of this client allows",
          .code = "rate_limit_exceeded",
          .retry_after = retry_after};
}

http_error foreign_page(const std::string& what) {
  return {.status = 403,
          .message = "pages of this origin may not " + what + " here",
          .code = "origin_not_allowed"};
}

http_error short_of_memory() {
  return {.status = 503,
          .message = "the server is short of memory and takes no new work at present",
          .code = "overloaded",
          .retry_after = 5s};
}

using objection = std::pair<http_error, refusal_reason>;

// What can be said without asking anybody.
std::optional<objection> find_objection(const server_context& house, const client_facts& who,
                                        const http_request& request, const route_match& match) {
  auto& gate = house.options.gate;
  const bool may_come = is_welcome(gate.allowed_origins, request);
  if (wants_websocket(request) && !may_come)
    return objection{foreign_page("open a WebSocket"), refusal_reason::origin};
  if (is_control(match) && !may_come)
    return objection{foreign_page("steer the server"), refusal_reason::origin};
  if (!who.has_access && !is_free(gate, match))
    return objection{wrong_key(request), refusal_reason::api_key};
  // What is limited is what computes; whoever asks how we are gets an answer.
  if (is_limited(request, match) && house.is_overloaded(overload_level::refusing))
    return objection{short_of_memory(), refusal_reason::memory};
  return std::nullopt;
}

void observe(const service& facts, refusal_reason why) {
  caf::anon_send(facts.observer, refusal_observed{why});
}

asio::awaitable<bool> pass_in_turn(exchange& turn) {
  ask_passage question{turn.client().limit_key, turn.client().rate};
  auto way = co_await ask<passage>(turn.house().system, turn.home(), turn.facts().keeper,
                                   std::move(question), patience);
  if (!way) {
    co_await turn.refuse(way.error());
    co_return false;
  }
  if (!way->is_open) {
    observe(turn.facts(), refusal_reason::rate_limit);
    auto why = too_often(turn.gate().rate_limit_status, way->retry_after);
    co_await turn.refuse(why);
    co_return false;
  }
  if (way->delay == 0ms) co_return true;
  bool was_undisturbed = co_await turn.wait(way->delay);
  if (was_undisturbed) co_return true;
  failure why{.code = error_code::shutting_down, .message = "the server is shutting down"};
  co_await turn.refuse(why);
  co_return false;
}

}  // namespace

bool is_limited(const http_request& request, const route_match& match) {
  return !is_control(match) && (request.method == "POST" || wants_websocket(request));
}

std::optional<http_error> object_to_head(const server_context& house, const client_facts& who,
                                         const http_request& head, const route_match& match) {
  auto wrong = find_objection(house, who, head, match);
  if (!wrong) return std::nullopt;
  observe(house.facts, wrong->second);
  return std::move(wrong->first);
}

asio::awaitable<bool> pass_gate(exchange& turn, const route_match& match) {
  auto& request = turn.request();
  if (auto answer =
          match.allowed_methods.empty()
              ? std::nullopt
              : answer_preflight(turn.gate().allowed_origins, request, match.allowed_methods)) {
    co_await turn.reply(*std::move(answer));
    co_return false;
  }
  if (auto objection = find_objection(turn.house(), turn.client(), request, match)) {
    observe(turn.facts(), objection->second);
    co_await turn.refuse(objection->first);
    co_return false;
  }
  bool is_asked = match.found != nullptr && is_limited(request, match) &&
                  turn.client().rate.milli_per_second > 0;
  if (!is_asked) co_return true;
  co_return co_await pass_in_turn(turn);
}

asio::awaitable<std::optional<http_error>> count_call(server_context& house, strand_home home,
                                                      const client_facts& who) {
  if (house.is_overloaded(overload_level::refusing)) {
    observe(house.facts, refusal_reason::memory);
    co_return short_of_memory();
  }
  if (who.rate.milli_per_second == 0) co_return std::nullopt;
  ask_passage question{who.limit_key, who.rate};
  auto way =
      co_await ask<passage>(house.system, home, house.facts.keeper, std::move(question), patience);
  if (!way) co_return to_http_error(way.error());
  if (way->is_open) co_return std::nullopt;
  observe(house.facts, refusal_reason::rate_limit);
  co_return too_often(house.options.gate.rate_limit_status, way->retry_after);
}

asio::awaitable<std::optional<http_error>> charge_call(server_context& house, strand_home home,
                                                       const client_facts& who,
                                                       std::shared_ptr<token_account> account,
                                                       std::int64_t num_tokens) {
  if (who.tokens_per_minute == 0) co_return std::nullopt;
  if (num_tokens > who.tokens_per_minute)
    co_return http_error{.message = "prompt and max_tokens are " + std::to_string(num_tokens) +
                                    " tokens together, this client may use " +
                                    std::to_string(who.tokens_per_minute) + " in a minute",
                         .code = "token_budget_exceeded"};
  charge_tokens question{who.limit_key, who.tokens_per_minute, num_tokens};
  auto bill =
      co_await ask<tokens_charged>(house.system, home, house.facts.keeper, question, patience);
  if (!bill) co_return to_http_error(bill.error());
  if (bill->is_granted) {
    account->hold(house.facts.keeper, std::move(question));
    co_return std::nullopt;
  }
  observe(house.facts, refusal_reason::token_budget);
  co_return http_error{.status = house.options.gate.rate_limit_status,
                       .message = "this client has used its " +
                                  std::to_string(who.tokens_per_minute) + " tokens of this minute",
                       .code = "token_budget_exceeded",
                       .retry_after = bill->retry_after};
}

}  // namespace troupe
