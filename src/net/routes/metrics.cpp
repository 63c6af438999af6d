#include <utility>

#include "net/exchange.hpp"
#include "net/house_questions.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

asio::awaitable<void> answer_metrics(exchange& turn) {
  auto text = co_await ask_for_metrics(turn);
  if (text) {
    http_response response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                           .body = *std::move(text)};
    co_await turn.reply(std::move(response));
  } else {
    co_await turn.refuse(text.error());
  }
}

}  // namespace troupe
