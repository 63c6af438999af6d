#include "net/dialect.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <utility>

#include "net/dialects/completions.hpp"
#include "net/dialects/generate.hpp"
#include "net/dialects/tgi.hpp"
#include "net/gate.hpp"
#include "net/off_strand.hpp"
#include "net/sampling_fields.hpp"

namespace troupe {
namespace {

std::int64_t unix_time() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

planned_call read_body(const dialect& how, const std::string& body, body_context context) {
  auto plan = how.read(body, context);
  return {std::move(plan), context.style};
}

}  // namespace

std::span<const dialect> all_dialects() {
  static constexpr std::array table{
      dialect{"/generate", error_style::openai, &read_generate_body},
      dialect{"/generate_stream", error_style::tgi, &read_tgi_stream_body},
      dialect{"/v1/completions", error_style::openai, &read_completions_body},
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
                       .seed = draw_seed(facts.seed, who.number),
                       .created = unix_time(),
                       .style = how.style};
  if (body.size() <= who.house.options.max_inline_body_bytes)
    co_return read_body(how, body, std::move(context));
  std::function<planned_call()> work = [&how, &body, &context] {
    return read_body(how, body, context);
  };
  co_return co_await run_off_strand<planned_call>(who.house.text_threads, who.home.strand,
                                                  std::move(work));
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
                   .max_pending_bytes = who.house.options.max_pending_bytes});
  }
  plan.orders.clear();
  return out;
}

}  // namespace troupe
