#include <functional>
#include <utility>

#include "net/dialects/messages.hpp"
#include "net/exchange.hpp"
#include "net/off_strand.hpp"
#include "net/routes/routes.hpp"
#include "net/token_bodies.hpp"

namespace troupe {
namespace {

using text_outcome = outcome<std::string>;
using body_to_text = text_outcome (*)(std::string_view body, const service& facts);

asio::awaitable<void> answer_with(exchange& turn, body_to_text work) {
  auto& body = turn.request().body;
  auto& facts = turn.facts();
  std::function<text_outcome()> compute = [&body, &facts, work] { return work(body, facts); };
  auto& house = turn.house();
  text_outcome text = failure{};
  if (body.size() <= house.options.max_inline_body_bytes)
    text = compute();
  else
    text = co_await run_off_strand<text_outcome>(house.text_threads, turn.home().strand, compute);
  if (!text) {
    co_await turn.refuse(text.error());
    co_return;
  }
  http_response response{.body = *std::move(text)};
  co_await turn.reply(std::move(response));
}

}  // namespace

asio::awaitable<void> answer_tokenize(exchange& turn) { return answer_with(turn, &tokenize_body); }

asio::awaitable<void> answer_count_tokens(exchange& turn) {
  return answer_with(turn, &count_tokens_body);
}

asio::awaitable<void> answer_detokenize(exchange& turn) {
  return answer_with(turn, &detokenize_body);
}

}  // namespace troupe
