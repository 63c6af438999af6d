#include "net/dialects/chat_writer.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "net/error_style.hpp"
#include "net/openai_json.hpp"
#include "net/token_json.hpp"
#include "net/tool_answer.hpp"
#include "net/usage.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

struct finished_call {
  std::string name;
  std::string arguments;
};

class chat_writer : public answer_writer {
 public:
  explicit chat_writer(chat_facts facts)
      : facts_(std::move(facts)),
        choices_(facts_.num_choices),
        stream_usage_(facts_.num_choices, facts_.num_choices) {
    for (auto& choice : choices_) choice.text = tool_answer(facts_.has_calls);
  }

  std::string whole(std::vector<answer_piece> choices) override {
    std::string out;
    json_builder json(out);
    begin(json, "chat.completion");
    json.key("choices").begin_array();
    for (std::size_t i = 0; i < choices.size(); ++i) append_choice(json, i, choices[i]);
    json.end_array();
    append_openai_usage(json, usage_of_call(choices, facts_.num_choices));
    json.end_object();
    return out += "\n";
  }

  void write(event_sink& out, std::size_t index, answer_piece piece) override {
    auto& choice = choices_[index];
    drop_stop_token(piece, facts_.stop_tokens);
    auto* tokens = has_token_facts(piece) ? &piece : nullptr;
    if (!std::exchange(choice.has_begun, true))
      write_chunk(out, index, nullptr, nullptr, [](json_builder& json) {
        json.field("role", "assistant").field("content", "").key("refusal").null();
      });
    for (auto& delta : choice.text.push(piece))
      write_chunk(out, index, std::exchange(tokens, nullptr), nullptr,
                  [&](json_builder& json) { append_delta(json, index, delta); });
    if (tokens != nullptr) write_chunk(out, index, tokens, nullptr, [](json_builder&) {});
    if (!piece.end) return;
    stream_usage_.add(index, piece.end->usage);
    write_chunk(out, index, nullptr, &piece, [](json_builder&) {});
  }

  void finish(event_sink& out) override {
    if (!facts_.streams_usage) return;
    std::string text;
    json_builder json(text);
    begin(json, "chat.completion.chunk");
    json.key("choices").begin_array().end_array();
    append_openai_usage(json, stream_usage_.sum());
    json.end_object();
    out.event("", text);
  }

  void fail(event_sink& out, const http_error& why) override {
    out.event("", error_body(why, error_style::openai));
  }

 private:
  struct choice_state {
    tool_answer text;
    bool has_begun = false;
  };

  void begin(json_builder& json, std::string_view object) {
    json.begin_object().field("id", "chatcmpl-" + facts_.unique).field("object", object);
    json.field("created", facts_.created).field("model", facts_.model);
    json.field("service_tier", "default").field("system_fingerprint", openai_fingerprint);
    tell_warnings(json);
  }

  bool has_token_facts(const answer_piece& piece) const {
    return (facts_.has_logprobs || facts_.has_token_ids) && !piece.tokens.empty();
  }

  // `tokens`: whose tokens to show; `last`: whose end.
  template <class Fill>
  void write_chunk(event_sink& out, std::size_t index, const answer_piece* tokens,
                   const answer_piece* last, Fill fill) {
    std::string text;
    json_builder json(text);
    begin(json, "chat.completion.chunk");
    json.key("choices").begin_array().begin_object().field("index", index);
    json.key("delta").begin_object();
    fill(json);
    json.end_object();
    append_tokens(json, tokens);
    append_finish(json, index, last == nullptr ? std::nullopt : last->end);
    json.end_object().end_array();
    if (facts_.streams_usage) json.key("usage").null();
    json.end_object();
    out.event("", text);
  }

  void append_delta(json_builder& json, std::size_t index, const tool_delta& delta) const {
    if (!delta.call_idx) {
      json.field("content", delta.text);
      return;
    }
    json.key("tool_calls").begin_array().begin_object().field("index", *delta.call_idx);
    if (!delta.name.empty())
      json.field("id", call_id(facts_.unique, index, *delta.call_idx)).field("type", "function");
    json.key("function").begin_object();
    if (!delta.name.empty()) json.field("name", delta.name);
    json.field("arguments", delta.text).end_object().end_object().end_array();
  }

  void append_tokens(json_builder& json, const answer_piece* piece) const {
    json.key("logprobs");
    if (facts_.has_logprobs && piece != nullptr)
      append_chat_logprobs(json, *facts_.words, piece->tokens);
    else
      json.null();
    if (facts_.has_token_ids && piece != nullptr) append_token_ids(json, piece->tokens);
  }

  void append_finish(json_builder& json, std::size_t index,
                     const std::optional<answer_end>& end) const {
    bool has_called = end && choices_[index].text.num_calls() > 0;
    if (has_called && end->why == finish_reason::stop)
      json.field("finish_reason", "tool_calls").key("stop_reason").null();
    else
      append_openai_finish(json, end);
  }

  void append_choice(json_builder& json, std::size_t index, answer_piece& piece) {
    drop_stop_token(piece, facts_.stop_tokens);
    std::string content;
    std::vector<finished_call> calls;
    for (auto& delta : choices_[index].text.push(piece)) {
      if (!delta.call_idx) {
        content += delta.text;
        continue;
      }
      calls.resize(*delta.call_idx + 1);
      calls.back().name += delta.name;
      calls.back().arguments += delta.text;
    }
    json.begin_object().field("index", index).key("message").begin_object();
    bool has_content = !content.empty() || !facts_.has_calls;
    json.field("role", "assistant").field_or_null("content", has_content ? &content : nullptr);
    json.key("refusal").null().key("annotations").begin_array().end_array();
    append_calls(json, index, calls);
    json.end_object();
    append_tokens(json, &piece);
    append_finish(json, index, piece.end);
    json.end_object();
  }

  void append_calls(json_builder& json, std::size_t index,
                    const std::vector<finished_call>& calls) const {
    if (calls.empty()) return;
    json.key("tool_calls").begin_array();
    for (std::size_t i = 0; i < calls.size(); ++i) {
      json.begin_object().field("id", call_id(facts_.unique, index, i)).field("type", "function");
      json.key("function").begin_object().field("name", calls[i].name);
      json.field("arguments", calls[i].arguments).end_object().end_object();
    }
    json.end_array();
  }

  chat_facts facts_;
  std::vector<choice_state> choices_;
  usage_counter stream_usage_;
};

}  // namespace

std::unique_ptr<answer_writer> make_chat_writer(chat_facts facts) {
  return std::make_unique<chat_writer>(std::move(facts));
}

}  // namespace troupe
