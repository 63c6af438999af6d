#include <utility>

#include "net/exchange.hpp"
#include "net/house_questions.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

asio::awaitable<void> answer_ready(exchange& turn) {
  auto house = co_await ask_for_state(turn);
  auto report = judge_readiness(house);
  http_response response{.status = report.is_well ? 200 : 503, .body = std::move(report.body)};
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
