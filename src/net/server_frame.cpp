#include "net/server_frame.hpp"

#include <cmath>

#include "net/error_style.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

json_builder begin(std::string& out, std::string_view type) {
  json_builder json(out);
  json.begin_object().field("type", type);
  return json;
}

double rounded(std::chrono::duration<double, std::milli> time) {
  return std::round(time.count() * 1000) / 1000;
}

}  // namespace

std::string accepted_frame(std::string_view id, std::string_view call_id) {
  std::string out;
  begin(out, "accepted").field("id", id).field("request_id", call_id).end_object();
  return out;
}

std::string tokens_frame(std::string_view id, std::string_view data) {
  std::string out;
  begin(out, "tokens").field("id", id).key("data").raw(data).end_object();
  return out;
}

std::string finished_frame(std::string_view id, finish_reason why, const token_usage& usage,
                           const answer_times& times) {
  std::string out;
  auto json = begin(out, "finished");
  json.field("id", id).field("finish_reason", to_string(why));
  json.key("usage").begin_object();
  json.field("prompt_tokens", usage.prompt_tokens);
  json.field("completion_tokens", usage.completion_tokens);
  json.field("total_tokens", std::uint64_t{usage.prompt_tokens} + usage.completion_tokens);
  json.field("cached_tokens", usage.cached_tokens).end_object();
  json.key("timings").begin_object();
  json.field("ttft_ms", rounded(times.to_first_token));
  json.field("total_ms", rounded(times.total)).end_object().end_object();
  return out;
}

std::string error_frame(std::string_view id, const http_error& error) {
  std::string out;
  auto json = begin(out, "error");
  if (!id.empty()) json.field("id", id);
  json.key("error").begin_object();
  json.field("status", error.status).field("message", error.message);
  json.field("type", openai_error_type(error.status));
  json.field_or_null("param", error.param.empty() ? nullptr : &error.param);
  json.field("code", error.code);
  if (auto seconds = retry_after_seconds(error)) json.field("retry_after", *seconds);
  json.end_object().end_object();
  return out;
}

std::string pong_frame(std::string_view id) {
  std::string out;
  begin(out, "pong").key("id").raw(id).end_object();
  return out;
}

}  // namespace troupe
