#include <utility>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

void append_model(json_builder& json, const service& facts) {
  json.begin_object().field("id", facts.model_name).field("object", "model");
  json.field("created", facts.start_time).field("owned_by", "troupe");
  json.field("root", facts.model_name).key("parent").null();
  json.field("max_model_len", facts.limits.max_model_len).end_object();
}

}  // namespace

asio::awaitable<void> answer_models(exchange& turn) {
  http_response response;
  json_builder json(response.body);
  json.begin_object().field("object", "list").key("data").begin_array();
  append_model(json, turn.facts());
  json.end_array().end_object();
  response.body += "\n";
  co_await turn.reply(std::move(response));
}

asio::awaitable<void> answer_model(exchange& turn) {
  auto& facts = turn.facts();
  std::string_view path = turn.request().path;
  if (path.substr(path.rfind('/') + 1) != facts.model_name) {
    failure why{.code = error_code::not_found,
                .message = "there is no such model; this server has " + facts.model_name,
                .field = "model"};
    co_await turn.refuse(why);
    co_return;
  }
  http_response response;
  json_builder json(response.body);
  append_model(json, facts);
  response.body += "\n";
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
