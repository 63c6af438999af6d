#include <chrono>
#include <string>
#include <utility>

#include "net/exchange.hpp"
#include "net/routes/routes.hpp"
#include "text/json.hpp"

namespace troupe {
namespace {

json_value number(std::uint64_t value) { return value; }

json_value seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

json_object model_of(const service& facts) {
  return {{"name", facts.model_name},
          {"max_model_len", number(facts.limits.max_model_len)},
          {"vocab_size", number(facts.vocab_size)},
          {"device", facts.device},
          {"dtype", facts.weights_type},
          {"quantization", facts.quantization.empty() ? json_value() : facts.quantization},
          {"tensor_parallel_size", number(facts.tensor_parallel_size)},
          {"threads_per_rank", number(facts.threads_per_rank)}};
}

json_object limits_of(const service& facts, const server_options& options) {
  auto& limits = facts.limits;
  return {{"max_num_seqs", number(limits.max_num_seqs)},
          {"max_num_batched_tokens", number(limits.max_num_batched_tokens)},
          {"max_queued_requests", number(limits.max_waiting_requests)},
          {"max_queued_tokens", number(limits.max_waiting_tokens)},
          {"queue_timeout_s", seconds(limits.queue_timeout)},
          {"request_timeout_s", seconds(limits.request_timeout)},
          {"executor_timeout_s", seconds(facts.executor_timeout)},
          {"stall_timeout_s", seconds(facts.stall_timeout)},
          {"max_connections", number(options.max_connections)},
          {"max_body_bytes", number(options.max_body_bytes)},
          {"max_bodies_bytes", number(options.max_bodies_bytes)},
          {"max_pending_bytes", number(options.max_pending_bytes)},
          {"header_timeout_s", seconds(options.header_timeout)},
          {"body_timeout_s", seconds(options.body_timeout)},
          {"idle_timeout_s", seconds(options.idle_timeout)},
          {"write_timeout_s", seconds(options.write_timeout)}};
}

json_object memory_of(const memory_plan& plan) {
  return {{"planned_bytes", number(plan.planned_bytes)},
          {"weight_bytes", number(plan.request.weight_bytes)},
          {"activation_bytes", number(plan.request.activation_bytes)},
          {"margin_bytes", number(plan.request.margin_bytes)},
          {"kv_cache_bytes", number(plan.kv_bytes)},
          {"kv_page_bytes", number(plan.request.kv_page_bytes)},
          {"kv_cache_dtype", plan.request.kv_dtype},
          {"kv_page_tokens", number(page_size_tokens)},
          {"num_kv_pages", number(plan.num_pages)},
          {"typical_request_tokens", number(plan.typical_request_tokens)},
          {"concurrent_typical_requests", number(plan.concurrent_requests)}};
}

std::string yarn_of(const engine_limits& limits) {
  if (limits.default_rope == rope_kind::plain) return "off";
  return limits.plain_rope_window > 0 ? "per_request" : "always";
}

json_object features_of(const service& facts) {
  return {{"prefix_caching", facts.limits.enable_prefix_caching},
          {"chat_template", facts.chat != nullptr},
          {"yarn", yarn_of(facts.limits)},
          {"load_tests", bool{facts.tests}}};
}

}  // namespace

asio::awaitable<void> answer_server_info(exchange& turn) {
  auto& facts = turn.facts();
  json_object info{{"version", std::string{TROUPE_VERSION}},
                   {"start_time", facts.start_time},
                   {"model", model_of(facts)},
                   {"limits", limits_of(facts, turn.house().options)},
                   {"memory", memory_of(facts.memory)},
                   {"features", features_of(facts)}};
  http_response response;
  append_json(response.body, info);
  response.body += '\n';
  co_await turn.reply(std::move(response));
}

}  // namespace troupe
