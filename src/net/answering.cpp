#include "net/answering.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace troupe {
namespace {

constexpr std::string_view done_event = "data: [DONE]\n\n";

asio::awaitable<void> answer_at_once(exchange& turn, feed_group& feeds, answer_writer& writer) {
  std::vector<answer_piece> choices(feeds.size());
  while (!feeds.is_over()) {
    auto news = co_await feeds.next();
    auto& all = choices[news.choice];
    append_piece(all, std::move(news.piece));
    if (all.end && !is_answer(*all.end)) {
      auto why = to_http_error(*all.end);
      co_await turn.refuse(why);
      co_return;
    }
  }
  http_response response{.body = writer.whole(std::move(choices))};
  co_await turn.reply(std::move(response));
}

// Until the first event an error still has a status of its own; then it becomes an event.
asio::awaitable<void> answer_in_events(exchange& turn, feed_group& feeds, answer_writer& writer) {
  event_text events;
  for (;;) {
    auto news = feeds.poll();
    if (!news) {
      co_await feeds.wait();
      continue;
    }
    auto& piece = news->piece;
    std::optional<http_error> failed;
    if (piece.end && !is_answer(*piece.end)) {
      failed = to_http_error(*piece.end);
      piece.end.reset();
    }
    if (failed && !turn.has_begun() && piece.text.empty()) {
      co_await turn.refuse(*failed);
      co_return;
    }
    bool has_something = piece.end || !piece.text.empty() || !piece.tokens.empty();
    if (has_something) writer.write(events, news->choice, std::move(piece));
    bool is_last = failed || feeds.is_over();
    if (failed)
      writer.fail(events, *failed);
    else if (is_last)
      writer.finish(events);
    auto text = events.take();
    if (is_last && writer.says_done()) text += done_event;
    if (text.empty()) continue;
    bool was_written = turn.send_events(text, is_last);
    if (!was_written) was_written = co_await turn.send_rest();
    if (is_last || !was_written) co_return;
  }
}

}  // namespace

void event_text::event(std::string_view name, std::string_view json) {
  text_.reserve(text_.size() + name.size() + json.size() + 24);
  if (!name.empty()) text_.append("event: ").append(name).append("\n");
  text_.append("data: ").append(json).append("\n\n");
}

asio::awaitable<void> answer_plan_over_http(exchange& turn, answer_plan plan) {
  auto who = turn.as_call();
  auto objection = co_await charge(who, plan);
  if (objection) {
    co_await turn.refuse(*objection);
    co_return;
  }
  auto& feeds = turn.open_feeds(make_orders(who, plan));
  if (plan.stream)
    co_await answer_in_events(turn, feeds, *plan.writer);
  else
    co_await answer_at_once(turn, feeds, *plan.writer);
}

}  // namespace troupe
