#include <utility>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "text/json_builder.hpp"

namespace troupe {

asio::awaitable<void> answer_models(exchange& turn) {
  auto& facts = turn.facts();
  http_response response;
  json_builder json(response.body);
  json.begin_object().field("object", "list").key("data").begin_array().begin_object();
  json.field("id", facts.model_name).field("object", "model");
  json.field("created", facts.start_time).field("owned_by", "troupe");
  json.field("root", facts.model_name).key("parent").null();
  json.field("max_model_len", facts.limits.max_model_len);
  json.end_object().end_array().end_object();
  response.body += "\n";
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
