#include <utility>

#include "net/answering.hpp"
#include "net/dialect.hpp"
#include "net/exchange.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

asio::awaitable<void> answer_dialect(exchange& turn) {
  auto who = turn.as_call();
  auto& how = *find_dialect(turn.request().path);
  auto planned = co_await plan_call(who, how, turn.request().body);
  turn.speak(planned.style);
  if (planned.plan)
    co_await answer_plan_over_http(turn, *std::move(planned.plan));
  else
    co_await turn.refuse(planned.plan.error());
}

}  // namespace troupe
