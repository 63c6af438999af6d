#include "net/dialects/completions.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "net/best_of.hpp"
#include "net/dialects/openai_format.hpp"
#include "net/dialects/prompted.hpp"
#include "net/openai_json.hpp"
#include "net/sampling_fields.hpp"
#include "net/token_json.hpp"
#include "net/usage.hpp"
#include "text/json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

struct completions_facts {
  std::string id;
  std::int64_t created = 0;
  std::string model;
  std::shared_ptr<const tokenizer> words;
  std::vector<std::string> beginnings;  // [num_prompts]; what `echo` repeats
  std::size_t num_choices = 0;          // [num_prompts * num_runs]
  std::size_t num_runs = 1;
  std::size_t num_kept = 1;
  bool has_logprobs = false;
  bool has_token_ids = false;
  bool streams_usage = false;
};

// Where a choice stands in its stream.
struct progress {
  bool has_begun = false;
  std::size_t num_characters = 0;
};

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (c & '\xC0') != '\x80'; }));
}

class completions_writer : public answer_writer {
 public:
  explicit completions_writer(completions_facts facts)
      : facts_(std::move(facts)),
        progress_(facts_.num_choices),
        stream_usage_(facts_.num_choices, facts_.num_runs) {}

  std::string whole(std::vector<answer_piece> choices) override {
    auto kept = keep_best(choices, facts_.num_runs, facts_.num_kept);
    std::string out;
    json_builder json(out);
    begin(json);
    json.key("choices").begin_array();
    for (std::size_t i = 0; i < kept.size(); ++i) append_choice(json, i, kept[i], choices[kept[i]]);
    json.end_array();
    append_openai_usage(json, usage_of_call(choices, facts_.num_runs));
    json.end_object();
    return out += "\n";
  }

  void write(event_sink& out, std::size_t choice, answer_piece piece) override {
    std::string text;
    json_builder json(text);
    begin(json);
    json.key("choices").begin_array();
    append_choice(json, choice, choice, piece);
    json.end_array();
    if (facts_.streams_usage) json.key("usage").null();
    json.end_object();
    if (piece.end) stream_usage_.add(choice, piece.end->usage);
    out.event("", text);
  }

  void finish(event_sink& out) override {
    if (!facts_.streams_usage) return;
    std::string text;
    json_builder json(text);
    begin(json);
    json.key("choices").begin_array().end_array();
    append_openai_usage(json, stream_usage_.sum());
    json.end_object();
    out.event("", text);
  }

  void fail(event_sink& out, const http_error& why) override {
    out.event("", error_body(why, error_style::openai));
  }

 private:
  void begin(json_builder& json) {
    json.begin_object().field("id", "cmpl-" + facts_.id).field("object", "text_completion");
    json.field("created", facts_.created).field("model", facts_.model);
    json.field("system_fingerprint", openai_fingerprint);
    tell_warnings(json);
  }

  void append_choice(json_builder& json, std::size_t index, std::size_t choice,
                     const answer_piece& piece) {
    auto& so_far = progress_[choice];
    auto& beginning = facts_.beginnings[choice / facts_.num_runs];
    bool is_first = !std::exchange(so_far.has_begun, true);
    if (is_first) so_far.num_characters = count_characters(beginning);
    json.begin_object().field("index", index);
    json.field("text", is_first ? beginning + piece.text : piece.text).key("logprobs");
    if (facts_.has_logprobs)
      append_logprobs(json, so_far, piece);
    else
      json.null();
    if (facts_.has_token_ids) append_token_ids(json, piece.tokens);
    append_openai_finish(json, piece.end);
    json.end_object();
  }

  void append_logprobs(json_builder& json, progress& so_far, const answer_piece& piece) {
    json.begin_object().key("tokens").begin_array();
    for (auto& token : piece.tokens) json.value(word(token.sampled.token));
    json.end_array().key("token_logprobs").begin_array();
    for (auto& token : piece.tokens) json.value(shown_logprob(token.sampled.logprob));
    json.end_array().key("top_logprobs").begin_array();
    for (auto& token : piece.tokens) append_likely(json, token.sampled);
    json.end_array().key("text_offset").begin_array();
    std::size_t begin = 0;
    for (auto& token : piece.tokens) {
      json.value(so_far.num_characters);
      so_far.num_characters +=
          count_characters(std::string_view(piece.text).substr(begin, token.text_end - begin));
      begin = token.text_end;
    }
    so_far.num_characters += count_characters(std::string_view(piece.text).substr(begin));
    json.end_array().end_object();
  }

  // Tokens of the same text (parts of a character) are told apart by nobody here: the likelier one
  // stays.
  void append_likely(json_builder& json, const sampled_token& sampled) {
    json.begin_object();
    std::set<std::string> seen;
    for (auto& likely : sampled.most_likely)
      if (auto text = word(likely.token); seen.insert(text).second)
        json.field(text, shown_logprob(likely.logprob));
    if (auto text = word(sampled.token); seen.insert(text).second)
      json.field(text, shown_logprob(sampled.logprob));
    json.end_object();
  }

  std::string word(token_id token) const { return facts_.words->decode({token}, false); }

  completions_facts facts_;
  std::vector<progress> progress_;  // [num_choices]
  usage_counter stream_usage_;
};

struct completions_wishes : prompted_wishes {
  std::optional<structured_request> format;
  openai_stream stream;
};

void refuse_suffix(body_fields& fields) {
  auto suffix = fields.text("suffix");
  if (suffix && !suffix->empty())
    fields.refuse("suffix", "suffix is not offered: Qwen2.5's completions go forward only",
                  error_code::unsupported);
}

completions_wishes read_wishes(body_fields& fields, const body_context& context) {
  completions_wishes w{read_prompted(fields, context), read_text_form(fields), {}};
  w.stream = read_openai_stream(fields);
  fields.text("user");
  refuse_suffix(fields);
  check_prompted(fields, w, w.stream.is_wanted);
  return w;
}

}  // namespace

outcome<answer_plan> read_completions_body(std::string_view body, body_context& context) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  body_fields fields(*json);
  auto w = read_wishes(fields, context);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto& sampling = w.order.request.sampling;
  completions_facts facts{.id = context.id,
                          .created = context.created,
                          .model = context.facts.model_name,
                          .words = context.facts.words,
                          .num_choices = w.prompts.size() * w.num_runs,
                          .num_runs = w.num_runs,
                          .num_kept = w.num_kept,
                          .has_logprobs = sampling.num_logprobs >= 0,
                          .has_token_ids = w.has_token_ids,
                          .streams_usage = w.stream.has_usage};
  // The best of several is known by its logprobs.
  if (w.num_runs > w.num_kept && sampling.num_logprobs < 0) sampling.num_logprobs = 0;
  w.order.wants_tokens = sampling.num_logprobs >= 0 || w.has_token_ids;
  answer_plan plan{.stream = w.stream.is_wanted, .structure = std::move(w.format)};
  for (auto& prompt : w.prompts) {
    auto order = w.order;
    order.request.prompt = encode(prompt, context.facts);
    auto settled = settle(order.request, context.facts, context.facts.defaults.max_tokens);
    if (!settled) return settled.error();
    for (auto& run : repeat(order, w.num_runs)) plan.orders.push_back(std::move(run));
    facts.beginnings.push_back(w.echo ? text_of(prompt, context.facts) : std::string());
  }
  plan.writer = std::make_unique<completions_writer>(std::move(facts));
  return plan;
}

}  // namespace troupe
