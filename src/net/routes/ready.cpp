#include <chrono>
#include <string>

#include "net/bridge.hpp"
#include "net/exchange.hpp"
#include "net/routes/routes.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

http_error not_ready(std::string reason) {
  return {.status = 503, .message = std::move(reason), .code = "not_ready"};
}

}  // namespace

asio::awaitable<void> answer_ready(exchange& turn) {
  std::string reason;
  if (turn.house().is_draining) {
    reason = "the server is shutting down";
  } else {
    auto status = co_await ask<replica_status>(turn.house().system, turn.home(), turn.facts().copy,
                                               ask_status{}, 2000ms);
    if (!status)
      reason = status.error().message;
    else if (!status->ready)
      reason = status->reason;
    if (reason.empty()) {
      http_response response{.body = "{\"status\": \"ready\"}\n"};
      co_await turn.reply(std::move(response));
      co_return;
    }
  }
  auto why = not_ready(std::move(reason));
  co_await turn.refuse(why);
}

}  // namespace troupe
