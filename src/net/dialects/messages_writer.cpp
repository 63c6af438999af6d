#include "net/dialects/messages_writer.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "net/error_style.hpp"
#include "net/tool_answer.hpp"
#include "text/json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

struct block {
  std::optional<std::uint32_t> call_idx;  // absent: text
  std::string name;                       // of the tool
  std::string text;                       // or the call's input
};

// A model may write a call whose arguments are no object, and a cut answer may end within them; the
// API's field must be one.
void append_input(json_builder& json, const std::string& arguments) {
  auto parsed = parse_json(arguments);
  if (parsed && parsed->as_object() != nullptr) {
    json.raw(arguments);
    return;
  }
  json.begin_object().field("invalid_json", arguments).end_object();
}

class messages_writer : public answer_writer {
 public:
  explicit messages_writer(messages_facts facts)
      : facts_(std::move(facts)), answer_(facts_.has_calls) {}

  std::string whole(std::vector<answer_piece> choices) override {
    std::vector<block> blocks;
    for (auto& delta : answer_.push(choices[0])) {
      if (blocks.empty() || blocks.back().call_idx != delta.call_idx)
        blocks.push_back({delta.call_idx, delta.name, {}});
      blocks.back().text += delta.text;
    }
    if (blocks.empty()) blocks.emplace_back();
    auto& end = *choices[0].end;
    std::string out;
    json_builder json(out);
    json.begin_object();
    append_head(json);
    json.key("content").begin_array();
    for (auto& one : blocks) append_block(json, one);
    json.end_array();
    append_stop(json, end);
    append_usage(json, end.usage);
    json.end_object();
    return out += "\n";
  }

  void write(event_sink& out, std::size_t, answer_piece piece) override {
    if (!std::exchange(has_begun_, true)) begin(out);
    for (auto& delta : answer_.push(piece)) {
      if (!is_open_ || open_call_ != delta.call_idx) open_block(out, delta);
      write_delta(out, delta);
    }
    if (!piece.end) return;
    if (num_blocks_ == 0) open_block(out, {});
    close_block(out);
    write_end(out, *piece.end);
  }

  void fail(event_sink& out, const http_error& why) override {
    out.event("error", error_body(why, error_style::anthropic));
  }
  bool says_done() const override { return false; }

 private:
  void append_head(json_builder& json) const {
    json.field("id", "msg_" + facts_.unique).field("type", "message").field("role", "assistant");
    json.field("model", facts_.model);
    append_warnings(json);
  }

  std::string use_id(std::uint32_t call_idx) const {
    return "toolu_" + call_id(facts_.unique, 0, call_idx).substr(5);
  }

  void append_block(json_builder& json, const block& one) const {
    json.begin_object();
    if (one.call_idx) {
      json.field("type", "tool_use").field("id", use_id(*one.call_idx)).field("name", one.name);
      json.key("input");
      append_input(json, one.text);
    } else {
      json.field("type", "text").field("text", one.text);
    }
    json.end_object();
  }

  void append_stop(json_builder& json, const answer_end& end) const {
    json.key("stop_reason");
    if (end.why == finish_reason::length)
      json.value("max_tokens");
    else if (answer_.num_calls() > 0)
      json.value("tool_use");
    else
      json.value(end.matched_stop ? "stop_sequence" : "end_turn");
    json.field_or_null("stop_sequence", end.matched_stop ? &*end.matched_stop : nullptr);
  }

  static void append_usage(json_builder& json, const token_usage& usage) {
    json.key("usage").begin_object();
    json.field("input_tokens", usage.prompt_tokens - usage.cached_tokens);
    json.field("cache_creation_input_tokens", 0);
    json.field("cache_read_input_tokens", usage.cached_tokens);
    json.field("output_tokens", usage.completion_tokens).end_object();
  }

  void begin(event_sink& out) const {
    std::string text;
    json_builder json(text);
    json.begin_object().field("type", "message_start").key("message").begin_object();
    append_head(json);
    json.key("content").begin_array().end_array();
    json.key("stop_reason").null().key("stop_sequence").null();
    append_usage(json, {.prompt_tokens = facts_.num_prompt_tokens});
    json.end_object().end_object();
    out.event("message_start", text);
  }

  void open_block(event_sink& out, const tool_delta& delta) {
    if (is_open_) close_block(out);
    is_open_ = true;
    open_call_ = delta.call_idx;
    std::string text;
    json_builder json(text);
    json.begin_object().field("type", "content_block_start").field("index", num_blocks_);
    json.key("content_block").begin_object();
    if (delta.call_idx) {
      json.field("type", "tool_use").field("id", use_id(*delta.call_idx));
      json.field("name", delta.name).key("input").begin_object().end_object();
    } else {
      json.field("type", "text").field("text", "");
    }
    json.end_object().end_object();
    out.event("content_block_start", text);
    ++num_blocks_;
  }

  void write_delta(event_sink& out, const tool_delta& delta) const {
    if (delta.text.empty()) return;
    std::string text;
    json_builder json(text);
    json.begin_object().field("type", "content_block_delta").field("index", num_blocks_ - 1);
    json.key("delta").begin_object();
    json.field("type", delta.call_idx ? "input_json_delta" : "text_delta");
    json.field(delta.call_idx ? "partial_json" : "text", delta.text).end_object().end_object();
    out.event("content_block_delta", text);
  }

  void close_block(event_sink& out) {
    is_open_ = false;
    std::string text;
    json_builder json(text);
    json.begin_object().field("type", "content_block_stop").field("index", num_blocks_ - 1);
    json.end_object();
    out.event("content_block_stop", text);
  }

  void write_end(event_sink& out, const answer_end& end) const {
    std::string text;
    json_builder json(text);
    json.begin_object().field("type", "message_delta").key("delta").begin_object();
    append_stop(json, end);
    json.end_object();
    append_usage(json, end.usage);
    json.end_object();
    out.event("message_delta", text);
    out.event("message_stop", R"({"type":"message_stop"})");
  }

  messages_facts facts_;
  tool_answer answer_;
  bool has_begun_ = false;
  bool is_open_ = false;                    // the last block
  std::optional<std::uint32_t> open_call_;  // whose block it is; absent: text
  std::size_t num_blocks_ = 0;
};

}  // namespace

std::unique_ptr<answer_writer> make_messages_writer(messages_facts facts) {
  return std::make_unique<messages_writer>(std::move(facts));
}

}  // namespace troupe
