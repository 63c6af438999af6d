#include <utility>

#include "net/exchange.hpp"
#include "net/house_questions.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

asio::awaitable<void> answer_health(exchange& turn) {
  auto text = co_await ask_for_metrics(turn);
  if (text) {
    http_response response{.body = "{\"status\": \"alive\"}\n"};
    co_await turn.reply(std::move(response));
  } else {
    co_await turn.refuse(text.error());
  }
}

}  // namespace troupe
