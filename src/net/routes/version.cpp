#include <string>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "text/json.hpp"

namespace troupe {

asio::awaitable<void> answer_version(exchange& turn) {
  http_response response{.body = R"({"version": ")" TROUPE_VERSION R"(", "model": )"};
  append_json_string(response.body, turn.facts().model_name);
  response.body += "}\n";
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
