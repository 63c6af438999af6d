#include "net/dialects/generate.hpp"

#include <utility>

#include "net/best_of.hpp"
#include "net/dialects/prompted.hpp"
#include "net/dialects/sglang.hpp"
#include "net/dialects/tgi.hpp"
#include "net/sampling_fields.hpp"
#include "net/structured_fields.hpp"
#include "net/token_json.hpp"
#include "net/usage.hpp"
#include "text/json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

struct answer_facts {
  std::string id;
  std::shared_ptr<const tokenizer> words;
  std::vector<std::uint64_t> seeds;     // [num_choices]
  std::vector<std::string> beginnings;  // [num_prompts]; what `echo` repeats
  std::size_t num_runs = 1;             // answers to each prompt
  std::size_t num_kept = 1;             // of them
  bool has_logprobs = false;
  bool has_token_ids = false;
};

void append_usage(json_builder& json, const token_usage& usage) {
  json.key("usage").begin_object();
  json.field("prompt_tokens", usage.prompt_tokens);
  json.field("completion_tokens", usage.completion_tokens);
  json.field("total_tokens", std::uint64_t{usage.prompt_tokens} + usage.completion_tokens);
  json.field("cached_tokens", usage.cached_tokens).end_object();
}

void append_logprobs(json_builder& json, const tokenizer& words,
                     const std::vector<answer_token>& tokens) {
  json.key("logprobs").begin_array();
  for (auto& token : tokens) {
    auto& sampled = token.sampled;
    json.begin_object().field("token_id", sampled.token);
    json.field("token", words.decode({sampled.token}, false));
    json.field("logprob", shown_logprob(sampled.logprob)).key("top_logprobs").begin_array();
    for (auto& likely : sampled.most_likely) {
      json.begin_object().field("token_id", likely.token);
      json.field("token", words.decode({likely.token}, false));
      json.field("logprob", shown_logprob(likely.logprob)).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

class generate_writer : public answer_writer {
 public:
  explicit generate_writer(answer_facts facts)
      : facts_(std::move(facts)), has_begun_(facts_.seeds.size()) {}

  std::string whole(std::vector<answer_piece> choices) override {
    auto kept = keep_best(choices, facts_.num_runs, facts_.num_kept);
    std::string out;
    json_builder json(out);
    json.begin_object().field("id", facts_.id);
    tell_warnings(json);
    if (is_single()) {
      append_choice(json, 0, choices[0]);
      append_usage(json, choices[0].end->usage);
    } else {
      json.key("choices").begin_array();
      for (std::size_t i = 0; i < kept.size(); ++i) {
        json.begin_object().field("index", i);
        append_choice(json, kept[i], choices[kept[i]]);
        json.end_object();
      }
      json.end_array();
      append_usage(json, usage_of_call(choices, facts_.num_runs));
    }
    json.end_object();
    return out += "\n";
  }

  void write(event_sink& out, std::size_t choice, answer_piece piece) override {
    std::string text;
    json_builder json(text);
    json.begin_object().field("id", facts_.id);
    tell_warnings(json);
    if (!is_single()) json.field("index", choice);
    append_choice(json, choice, piece);
    if (piece.end) append_usage(json, piece.end->usage);
    json.end_object();
    out.event("", text);
  }

  void fail(event_sink& out, const http_error& why) override {
    out.event("", error_body(why, error_style::openai));
  }

 private:
  bool is_single() const { return facts_.seeds.size() == 1; }

  void append_choice(json_builder& json, std::size_t choice, const answer_piece& piece) {
    bool is_first = !has_begun_[choice];
    has_begun_[choice] = true;
    auto& beginning = facts_.beginnings[choice / facts_.num_runs];
    json.field("text", is_first ? beginning + piece.text : piece.text);
    if (facts_.has_token_ids) append_token_ids(json, piece.tokens);
    if (facts_.has_logprobs) append_logprobs(json, *facts_.words, piece.tokens);
    if (!piece.end) return;
    json.field("finish_reason", to_string(piece.end->why)).field("seed", facts_.seeds[choice]);
  }

  answer_facts facts_;
  std::vector<bool> has_begun_;  // [num_choices]
};

struct wishes : prompted_wishes {
  std::optional<structured_request> form;
  bool stream = false;
};

std::optional<structured_request> read_form(body_fields& fields) {
  structure_reader form(fields);
  form.schema("json_schema");
  form.any_object("json_object");
  form.regex("regex");
  form.choice("choice");
  form.grammar("grammar");
  form.options();
  return form.take();
}

wishes read_wishes(body_fields& fields, const body_context& context) {
  wishes w{read_prompted(fields, context), read_form(fields)};
  w.stream = fields.flag("stream", false);
  check_prompted(fields, w, w.stream);
  return w;
}

answer_plan make_plan(wishes w, bool has_logprobs, const body_context& context) {
  answer_facts facts{.id = context.id,
                     .words = context.facts.words,
                     .num_runs = w.num_runs,
                     .num_kept = w.num_kept,
                     .has_logprobs = has_logprobs,
                     .has_token_ids = w.has_token_ids};
  answer_plan plan{.stream = w.stream, .structure = std::move(w.form)};
  for (auto& prompt : w.prompts) {
    w.order.request.prompt = encode(prompt, context.facts);
    for (auto& order : repeat(w.order, w.num_runs)) {
      facts.seeds.push_back(order.request.sampling.seed);
      plan.orders.push_back(std::move(order));
    }
    facts.beginnings.push_back(w.echo ? text_of(prompt, context.facts) : std::string());
  }
  plan.writer = std::make_unique<generate_writer>(std::move(facts));
  return plan;
}

outcome<answer_plan> read_ours(const json_value& body, const body_context& context) {
  body_fields fields(body);
  auto w = read_wishes(fields, context);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto& sampling = w.order.request.sampling;
  bool has_logprobs = sampling.num_logprobs >= 0;
  // The best of several is known by its logprobs.
  if (w.num_runs > w.num_kept && !has_logprobs) sampling.num_logprobs = 0;
  w.order.wants_tokens = sampling.num_logprobs >= 0 || w.has_token_ids;
  auto plan = make_plan(std::move(w), has_logprobs, context);
  for (auto& order : plan.orders) {
    auto settled = settle(order.request, context.facts, context.facts.defaults.max_tokens);
    if (!settled) return settled.error();
  }
  return plan;
}

}  // namespace

outcome<answer_plan> read_generate_body(std::string_view body, body_context& context) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  bool is_sglang = json->find("text") != nullptr || json->find("input_ids") != nullptr;
  bool is_tgi = json->find("inputs") != nullptr;
  if (int{is_sglang} + int{is_tgi} + int{json->find("prompt") != nullptr} > 1)
    return failure{.message =
                       "prompt, text or input_ids, and inputs belong to different APIs, "
                       "expected one of them"};
  if (is_sglang) return read_sglang(*json, context);
  if (!is_tgi) return read_ours(*json, context);
  context.style = error_style::tgi;
  return read_tgi(*json, context);
}

}  // namespace troupe
