#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "net/answer_json.hpp"
#include "net/exchange.hpp"
#include "net/gate.hpp"
#include "net/generate_body.hpp"
#include "net/off_strand.hpp"
#include "net/routes/routes.hpp"

namespace troupe {
namespace {

using job_outcome = outcome<generation_job>;

// Short bodies are read at once; a long one would stop every other connection of this thread.
asio::awaitable<job_outcome> read_job(exchange& turn) {
  auto& facts = turn.facts();
  auto& body = turn.request().body;
  auto seed = draw_seed(facts.seed, turn.number());
  if (body.size() <= turn.house().options.max_inline_body_bytes)
    co_return read_generate_body(body, facts, seed);
  std::function<job_outcome()> work = [&body, &facts, seed] {
    return read_generate_body(body, facts, seed);
  };
  co_return co_await run_off_strand<job_outcome>(turn.house().text_threads, turn.home().strand,
                                                 std::move(work));
}

feed_order make_order(exchange& turn, generation_job& job) {
  auto& facts = turn.facts();
  job.request.id = turn.number();
  job.request.arrival = turn.arrival();
  job.request.deadline = turn.arrival() + facts.limits.request_timeout;
  job.request.cache_salt = turn.client().cache_salt;
  return {.request = std::move(job.request),
          .text = std::move(job.text),
          .words = facts.words,
          .eos_token_ids = facts.limits.eos_token_ids,
          .queue = facts.queue};
}

bool is_answer(const answer_end& end) {
  return end.why == finish_reason::stop || end.why == finish_reason::length;
}

asio::awaitable<void> answer_at_once(exchange& turn, feed& tokens, const answer_facts& facts) {
  answer_piece all;
  while (!all.end) {
    auto piece = co_await tokens.next();
    all.text += piece.text;
    std::move(piece.tokens.begin(), piece.tokens.end(), std::back_inserter(all.tokens));
    all.end = std::move(piece.end);
  }
  if (is_answer(*all.end)) {
    http_response response{.body = whole_answer(facts, all)};
    co_await turn.reply(std::move(response));
  } else {
    auto why = to_http_error(*all.end);
    co_await turn.refuse(why);
  }
}

// Until the first text comes an error still has a status of its own; then it becomes an event.
asio::awaitable<void> answer_in_events(exchange& turn, feed& tokens, const answer_facts& facts) {
  for (;;) {
    auto piece = co_await tokens.next();
    bool is_last = piece.end.has_value();
    bool has_failed = is_last && !is_answer(*piece.end);
    if (has_failed && !turn.has_begun() && piece.text.empty()) {
      auto why = to_http_error(*piece.end);
      co_await turn.refuse(why);
      co_return;
    }
    std::string events;
    if (has_failed) {
      auto why = to_http_error(*std::exchange(piece.end, std::nullopt));
      if (!piece.text.empty()) events = answer_event(facts, piece);
      events += error_event(why);
    } else {
      events = answer_event(facts, piece);
    }
    if (is_last) events += done_event;
    bool was_written = co_await turn.write_events(std::move(events), is_last);
    if (is_last || !was_written) co_return;
  }
}

}  // namespace

asio::awaitable<void> answer_generate(exchange& turn) {
  auto job = co_await read_job(turn);
  if (!job) {
    co_await turn.refuse(job.error());
    co_return;
  }
  auto num_tokens =
      static_cast<std::int64_t>(job->request.prompt.size()) + job->request.sampling.max_tokens;
  auto objection =
      co_await charge_call(turn.house(), turn.home(), turn.client(), turn.account(), num_tokens);
  if (objection) {
    co_await turn.refuse(*objection);
    co_return;
  }
  answer_facts facts{.id = turn.id(),
                     .seed = job->request.sampling.seed,
                     .has_logprobs = job->request.sampling.num_logprobs >= 0,
                     .words = *turn.facts().words};
  bool is_streaming = job->stream;
  auto& tokens = turn.open_feed(make_order(turn, *job));
  if (is_streaming)
    co_await answer_in_events(turn, tokens, facts);
  else
    co_await answer_at_once(turn, tokens, facts);
}

}  // namespace troupe
