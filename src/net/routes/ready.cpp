#include <string>
#include <utility>

#include "net/exchange.hpp"
#include "net/house_questions.hpp"
#include "net/routes/routes.hpp"

namespace troupe {
namespace {

http_error not_ready(std::string reason) {
  return {.status = 503, .message = std::move(reason), .code = "not_ready"};
}

}  // namespace

asio::awaitable<void> answer_ready(exchange& turn) {
  std::string reason;
  if (turn.house().is_draining) {
    reason = "the server is shutting down";
  } else {
    auto status = co_await ask_for_status(turn);
    if (!status)
      reason = status.error().message;
    else if (!status->ready)
      reason = status->reason.empty() ? "the replica is not ready" : status->reason;
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
