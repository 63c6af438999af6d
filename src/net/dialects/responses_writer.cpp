#include "net/dialects/responses_writer.hpp"

#include <utility>

#include "net/dialects/chat_messages.hpp"
#include "net/openai_json.hpp"
#include "net/tool_answer.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

// One item of the output: the content, or one call.
struct output_item {
  std::string id;
  std::string call_id;  // of a call; empty: content
  std::string name;
  std::string text;                  // of the content, or the arguments
  std::vector<answer_token> tokens;  // of the content, if logprobs were asked for

  bool is_call() const { return !call_id.empty(); }
};

struct no_sink : event_sink {
  void event(std::string_view, std::string_view) override {}
};

class responses_writer : public answer_writer {
 public:
  explicit responses_writer(responses_facts facts)
      : facts_(std::move(facts)), text_(facts_.has_calls) {}

  std::string whole(std::vector<answer_piece> choices) override {
    no_sink nobody;
    take(nobody, std::move(choices.at(0)));
    auto json = response();
    keep(json);
    return json + "\n";
  }

  void write(event_sink& out, std::size_t, answer_piece piece) override {
    if (!std::exchange(has_begun_, true))
      for (auto name : {"response.created", "response.in_progress"}) tell_response(out, name);
    take(out, std::move(piece));
  }

  void finish(event_sink& out) override {
    bool is_cut = end_->why == finish_reason::length;
    tell_response(out, is_cut ? "response.incomplete" : "response.completed");
    keep(response());
  }

  void fail(event_sink& out, const http_error& why) override {
    failed_ = why;
    tell_response(out, "response.failed");
  }
  bool says_done() const override { return false; }

 private:
  // --- The items and their events ---

  void take(event_sink& out, answer_piece piece) {
    drop_stop_token(piece, facts_.stop_tokens);
    for (auto& delta : text_.push(piece)) {
      bool is_new = items_.empty() || !is_open_ || !delta.name.empty() ||
                    items_.back().is_call() != delta.call_idx.has_value();
      if (is_new) {
        end_item(out);
        begin_item(out, delta);
      }
      add(out, delta.text, std::exchange(piece.tokens, {}));
    }
    if (!piece.tokens.empty()) {
      if (!is_open_) begin_item(out, {});
      add(out, "", std::move(piece.tokens));
    }
    if (!piece.end) return;
    if (items_.empty()) begin_item(out, {});
    end_ = std::move(piece.end);
    end_item(out);
  }

  void begin_item(event_sink& out, const tool_delta& first) {
    auto number = std::to_string(items_.size());
    output_item item{.id = (first.call_idx ? "fc_" : "msg_") + facts_.unique + "_o" + number};
    if (first.call_idx) item.call_id = call_id(facts_.unique, 0, *first.call_idx);
    item.name = first.name;
    items_.push_back(std::move(item));
    is_open_ = true;
    tell(out, "response.output_item.added", [&](json_builder& json) {
      json.field("output_index", items_.size() - 1).key("item");
      append_item(json, items_.back(), "in_progress");
    });
    if (items_.back().is_call()) return;
    tell_part(out, "response.content_part.added");
  }

  void add(event_sink& out, std::string_view text, std::vector<answer_token> tokens) {
    auto& item = items_.back();
    item.text += text;
    auto name =
        item.is_call() ? "response.function_call_arguments.delta" : "response.output_text.delta";
    if (text.empty() && tokens.empty()) return;
    tell(out, name, [&](json_builder& json) {
      append_place(json);
      json.field("delta", text);
      if (!item.is_call()) append_logprobs(json, tokens);
    });
    for (auto& token : tokens) item.tokens.push_back(std::move(token));
  }

  void end_item(event_sink& out) {
    if (!std::exchange(is_open_, false)) return;
    auto& item = items_.back();
    if (item.is_call()) {
      tell(out, "response.function_call_arguments.done", [&](json_builder& json) {
        append_place(json);
        json.field("name", item.name).field("arguments", item.text);
      });
    } else {
      tell(out, "response.output_text.done", [&](json_builder& json) {
        append_place(json);
        json.field("text", item.text);
        append_logprobs(json, item.tokens);
      });
      tell_part(out, "response.content_part.done");
    }
    tell(out, "response.output_item.done", [&](json_builder& json) {
      json.field("output_index", items_.size() - 1).key("item");
      append_item(json, item, status_of(items_.size() - 1));
    });
  }

  template <class Fill>
  void tell(event_sink& out, std::string_view name, Fill fill) {
    std::string text;
    json_builder json(text);
    json.begin_object().field("type", name).field("sequence_number", num_events_++);
    fill(json);
    json.end_object();
    out.event(name, text);
  }

  void tell_response(event_sink& out, std::string_view name) {
    tell(out, name, [&](json_builder& json) { json.key("response").raw(response()); });
  }

  void tell_part(event_sink& out, std::string_view name) {
    tell(out, name, [&](json_builder& json) {
      append_place(json);
      json.key("part");
      append_part(json, items_.back());
    });
  }

  // --- Their JSON ---

  void append_place(json_builder& json) const {
    auto& item = items_.back();
    json.field("item_id", item.id).field("output_index", items_.size() - 1);
    if (!item.is_call()) json.field("content_index", 0);
  }

  void append_logprobs(json_builder& json, const std::vector<answer_token>& tokens) const {
    json.key("logprobs");
    if (facts_.has_logprobs)
      append_logprob_list(json, *facts_.words, tokens);
    else
      json.begin_array().end_array();
  }

  void append_part(json_builder& json, const output_item& item) const {
    json.begin_object().field("type", "output_text").field("text", item.text);
    json.key("annotations").begin_array().end_array();
    append_logprobs(json, item.tokens);
    json.end_object();
  }

  void append_item(json_builder& json, const output_item& item, std::string_view status) const {
    json.begin_object().field("id", item.id);
    json.field("type", item.is_call() ? "function_call" : "message").field("status", status);
    if (item.is_call()) {
      json.field("call_id", item.call_id).field("name", item.name);
      json.field("arguments", item.text);
    } else {
      json.field("role", "assistant").key("content").begin_array();
      if (status != "in_progress") append_part(json, item);
      json.end_array();
    }
    json.end_object();
  }

  // Only the last item of an answer that was cut is not complete.
  std::string_view status_of(std::size_t item) const {
    bool is_cut = end_ && end_->why == finish_reason::length && item + 1 == items_.size();
    return is_cut ? "incomplete" : "completed";
  }

  std::string_view status() const {
    if (failed_) return "failed";
    if (!end_) return "in_progress";
    return end_->why == finish_reason::length ? "incomplete" : "completed";
  }

  std::string response() const {
    auto& echo = facts_.echo;
    std::string text;
    json_builder json(text);
    json.begin_object().field("id", "resp_" + facts_.unique).field("object", "response");
    json.field("created_at", facts_.created).field("status", status()).field("background", false);
    append_outcome(json);
    json.field_or_null("instructions", pointer(echo.instructions));
    json.field_or_null("max_output_tokens", pointer(echo.max_output_tokens));
    json.key("max_tool_calls").null().field("model", echo.model).key("output").begin_array();
    for (std::size_t i = 0; (end_ || failed_) && i < items_.size(); ++i)
      append_item(json, items_[i], status_of(i));
    json.end_array().field("parallel_tool_calls", echo.parallel_tool_calls);
    json.field_or_null("previous_response_id", pointer(echo.previous_response_id));
    json.key("reasoning").begin_object().key("effort").null().key("summary").null().end_object();
    json.field("service_tier", "default").field("store", echo.store);
    json.field("temperature", echo.temperature);
    json.key("text").begin_object().field("format", echo.text_format).end_object();
    json.field("tool_choice", echo.tool_choice).field("tools", echo.tools);
    json.field("top_logprobs", echo.top_logprobs).field("top_p", echo.top_p);
    json.field("truncation", "disabled").key("usage");
    append_usage(json);
    json.field_or_null("user", pointer(echo.user)).field("metadata", echo.metadata);
    append_warnings(json);
    json.end_object();
    return text;
  }

  template <class T>
  static const T* pointer(const std::optional<T>& value) {
    return value ? &*value : nullptr;
  }

  void append_outcome(json_builder& json) const {
    json.key("error");
    if (failed_)
      json.begin_object()
          .field("code", "server_error")
          .field("message", failed_->message)
          .end_object();
    else
      json.null();
    json.key("incomplete_details");
    if (end_ && end_->why == finish_reason::length)
      json.begin_object().field("reason", "max_output_tokens").end_object();
    else
      json.null();
  }

  void append_usage(json_builder& json) const {
    if (!end_) {
      json.null();
      return;
    }
    auto& usage = end_->usage;
    json.begin_object().field("input_tokens", usage.prompt_tokens);
    json.key("input_tokens_details").begin_object().field("cached_tokens", usage.cached_tokens);
    json.end_object().field("output_tokens", usage.completion_tokens);
    json.key("output_tokens_details").begin_object().field("reasoning_tokens", 0).end_object();
    json.field("total_tokens", std::uint64_t{usage.prompt_tokens} + usage.completion_tokens);
    json.end_object();
  }

  // --- What is kept ---

  void keep(const std::string& json) {
    if (facts_.store == nullptr) return;
    auto& input = facts_.input;
    std::string content;
    json_array calls;
    for (auto& item : items_) {
      // Arguments that are no object cannot be shown to the model again.
      auto arguments = item.is_call() ? parse_json(item.text) : outcome<json_value>(json_value());
      if (!item.is_call())
        content += item.text;
      else if (arguments && arguments->as_object() != nullptr)
        calls.push_back(make_call(item.name, *std::move(arguments)));
    }
    json_object turn{{"role", std::string("assistant")}, {"content", std::move(content)}};
    if (!calls.empty()) turn.emplace_back("tool_calls", std::move(calls));
    input.messages.emplace_back(std::move(turn));
    std::string messages;
    append_json(messages, json_value(std::move(input.messages)));
    facts_.store->put("resp_" + facts_.unique, facts_.owner,
                      {json, std::move(input.items), std::move(input.ids), std::move(messages)});
  }

  responses_facts facts_;
  tool_answer text_;
  std::vector<output_item> items_;
  bool is_open_ = false;  // the last item
  bool has_begun_ = false;
  std::size_t num_events_ = 0;
  std::optional<answer_end> end_;
  std::optional<http_error> failed_;
};

}  // namespace

std::unique_ptr<answer_writer> make_responses_writer(responses_facts facts) {
  return std::make_unique<responses_writer>(std::move(facts));
}

}  // namespace troupe
