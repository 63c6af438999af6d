#include "net/dialect.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <utility>

#include "net/dialects/chat.hpp"
#include "net/dialects/completions.hpp"
#include "net/dialects/generate.hpp"
#include "net/dialects/messages.hpp"
#include "net/dialects/responses.hpp"
#include "net/dialects/tgi.hpp"
#include "net/gate.hpp"
#include "net/off_strand.hpp"
#include "net/sampling_fields.hpp"
#include "text/structured_source.hpp"

namespace troupe {
namespace {

using namespace std::chrono_literals;

// The store gives everything up before this; it is silent only when it is gone.
constexpr auto store_patience = 60'000ms;

std::int64_t unix_time() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::string draw_unique() {
  std::random_device chance;
  std::string out;
  for (int i = 0; i < 4; ++i) {
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x", static_cast<unsigned>(chance()));
    out += digits.data();
  }
  return out;
}

planned_call read_body(const dialect& how, const std::string& body, body_context context) {
  auto plan = how.read(body, context);
  return {std::move(plan), context.style};
}

// Short work is done at once; what is long would stop every other connection of this thread.
template <class Result>
asio::awaitable<Result> run(const call& who, bool is_short, std::function<Result()> work) {
  if (is_short) co_return work();
  co_return co_await run_off_strand<Result>(who.house.text_threads, who.home.strand,
                                            std::move(work));
}

using source_ptr = std::shared_ptr<const structured_source>;

void conclude(outcome<answer_plan>& plan, const std::shared_ptr<const structured_source>& source,
              const outcome<grammar_compiled>& answer) {
  if (!answer)
    plan = answer.error();
  else if (auto& made = *answer->made; made)
    bind(*plan, *made, {source, &source->key()});
  else
    plan = to_failure(source->request(), made.error());
}

// The request waits while its grammar is compiled elsewhere, or comes from the cache.
asio::awaitable<void> constrain(const call& who, bool is_short, outcome<answer_plan>& plan) {
  auto& facts = who.house.facts;
  std::function<source_ptr()> make = [&plan, &facts] {
    return std::make_shared<const structured_source>(*std::move(plan->structure), facts.grammars);
  };
  auto source = co_await run(who, is_short, std::move(make));
  compile_grammar question{source};
  auto home = who.home;
  auto store = facts.store;
  auto answer = co_await ask<grammar_compiled>(who.house.system, std::move(home), std::move(store),
                                               std::move(question), store_patience);
  conclude(plan, source, answer);
}

}  // namespace

std::span<const dialect> all_dialects() {
  static constexpr std::array table{
      dialect{"/generate", error_style::openai, &read_generate_body},
      dialect{"/generate_stream", error_style::tgi, &read_tgi_stream_body},
      dialect{"/v1/completions", error_style::openai, &read_completions_body},
      dialect{"/v1/chat/completions", error_style::openai, &read_chat_body},
      dialect{"/v1/responses", error_style::openai, &read_responses_body},
      dialect{"/v1/messages", error_style::anthropic, &read_messages_body},
  };
  return table;
}

const dialect* find_dialect(std::string_view path) {
  for (auto& candidate : all_dialects())
    if (candidate.path == path) return &candidate;
  return nullptr;
}

asio::awaitable<planned_call> plan_call(const call& who, const dialect& how,
                                        const std::string& body) {
  auto& facts = who.house.facts;
  body_context context{.facts = facts,
                       .id = who.id,
                       .unique = draw_unique(),
                       .seed = draw_seed(facts.seed, who.number),
                       .created = unix_time(),
                       .stored = &who.house.responses,
                       .owner = who.client.cache_salt,
                       .style = how.style};
  std::function<planned_call()> read = [&how, &body, &context] {
    return read_body(how, body, context);
  };
  bool is_short = body.size() <= who.house.options.max_inline_body_bytes;
  auto planned = co_await run(who, is_short, std::move(read));
  if (planned.plan && planned.plan->structure) co_await constrain(who, is_short, planned.plan);
  co_return planned;
}

asio::awaitable<std::optional<http_error>> charge(const call& who, const answer_plan& plan) {
  std::int64_t num_tokens = 0;
  for (auto& order : plan.orders)
    num_tokens +=
        static_cast<std::int64_t>(order.request.prompt.size()) + order.request.sampling.max_tokens;
  return charge_call(who.house, who.home, who.client, who.account, num_tokens);
}

std::vector<feed_order> make_orders(const call& who, answer_plan& plan) {
  auto& facts = who.house.facts;
  std::vector<feed_order> out;
  for (auto& order : plan.orders) {
    auto& request = order.request;
    request.id = out.empty() ? who.number : who.house.next_id();
    request.arrival = who.arrival;
    request.deadline = who.arrival + facts.limits.request_timeout;
    request.cache_salt = who.client.cache_salt;
    out.push_back({.request = std::move(request),
                   .text = std::move(order.text),
                   .words = facts.words,
                   .eos_token_ids = facts.limits.eos_token_ids,
                   .queue = facts.queue,
                   .wants_tokens = order.wants_tokens,
                   .account = who.account,
                   .max_pending_bytes = who.house.options.max_pending_bytes,
                   .pending_bytes = who.house.num_pending_bytes});
  }
  plan.orders.clear();
  return out;
}

}  // namespace troupe
