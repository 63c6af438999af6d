#include <chrono>
#include <string>

#include "net/bridge.hpp"
#include "net/exchange.hpp"
#include "net/routes/routes.hpp"

namespace troupe {

using namespace std::chrono_literals;

asio::awaitable<void> answer_health(exchange& turn) {
  auto text = co_await ask<std::string>(turn.house().system, turn.home(), turn.facts().observer,
                                        render{}, 2000ms);
  if (text) {
    http_response response{.body = "{\"status\": \"alive\"}\n"};
    co_await turn.reply(std::move(response));
  } else {
    co_await turn.refuse(text.error());
  }
}

}  // namespace troupe
