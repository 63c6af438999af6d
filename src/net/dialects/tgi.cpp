#include "net/dialects/tgi.hpp"

#include <utility>

#include "net/best_of.hpp"
#include "net/prompt_field.hpp"
#include "net/sampling_fields.hpp"
#include "net/structured_fields.hpp"
#include "net/token_json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

constexpr sampling_names names{.max_tokens = "max_new_tokens", .prompt = "inputs"};
constexpr std::uint32_t default_max_new_tokens = 100;
constexpr std::int64_t max_top_tokens = 5;

struct tgi_facts {
  std::shared_ptr<const tokenizer> words;
  std::string beginning;             // with return_full_text
  std::vector<std::uint64_t> seeds;  // [num_runs]
  std::uint32_t num_prompt_tokens = 0;
  bool is_greedy = false;
  bool has_details = false;
  bool has_top_tokens = false;
};

std::string_view reason_of(const answer_end& end) {
  if (end.why == finish_reason::length) return "length";
  return end.matched_stop ? "stop_sequence" : "eos_token";
}

class tgi_writer : public answer_writer {
 public:
  explicit tgi_writer(tgi_facts facts) : facts_(std::move(facts)) {}

  std::string whole(std::vector<answer_piece> choices) override {
    auto best = keep_best(choices, choices.size(), choices.size() > 1 ? 1 : choices.size());
    std::string out;
    json_builder json(out);
    json.begin_object();
    json.field("generated_text", facts_.beginning + choices[best[0]].text);
    if (facts_.has_details) {
      json.key("details").begin_object();
      append_details(json, best[0], choices[best[0]]);
      if (choices.size() > 1) append_others(json, best[0], choices);
      json.end_object();
    }
    append_warnings(json);
    json.end_object();
    return out += "\n";
  }

  // The last token's event carries the end, so one token is held back until the next one comes.
  void write(event_sink& out, std::size_t, answer_piece piece) override {
    std::uint32_t begin = 0;
    for (auto& token : piece.tokens) {
      if (held_) emit(out, *std::exchange(held_, {}), nullptr);
      held_ = held_token{token.sampled, piece.text.substr(begin, token.text_end - begin)};
      begin = token.text_end;
    }
    text_ += piece.text;
    if (!piece.end) return;
    if (!held_) held_ = held_token{};
    held_->text += piece.text.substr(begin);
    emit(out, *std::exchange(held_, {}), &*piece.end);
  }

  void fail(event_sink& out, const http_error& why) override {
    out.event("", error_body(why, error_style::tgi));
  }
  bool says_done() const override { return false; }

 private:
  struct held_token {
    sampled_token sampled;
    std::string text;
  };

  void append_seed(json_builder& json, std::size_t run) const {
    json.field_or_null("seed", facts_.is_greedy ? nullptr : &facts_.seeds[run]);
  }

  void append_token(json_builder& json, token_id token, std::string_view text,
                    float logprob) const {
    json.begin_object().field("id", token).field("text", text);
    json.field("logprob", shown_logprob(logprob));
    json.field("special", facts_.words->is_special(token)).end_object();
  }

  void append_top(json_builder& json, const sampled_token& sampled) const {
    json.begin_array();
    for (auto& likely : sampled.most_likely)
      append_token(json, likely.token, facts_.words->decode({likely.token}, false), likely.logprob);
    json.end_array();
  }

  void append_details(json_builder& json, std::size_t run, const answer_piece& all) const {
    json.field("finish_reason", reason_of(*all.end));
    json.field("generated_tokens", all.end->usage.completion_tokens);
    append_seed(json, run);
    json.key("prefill").begin_array().end_array().key("tokens").begin_array();
    std::uint32_t begin = 0;
    for (auto& token : all.tokens) {
      append_token(json, token.sampled.token,
                   std::string_view(all.text).substr(begin, token.text_end - begin),
                   token.sampled.logprob);
      begin = token.text_end;
    }
    json.end_array();
    if (!facts_.has_top_tokens) return;
    json.key("top_tokens").begin_array();
    for (auto& token : all.tokens) append_top(json, token.sampled);
    json.end_array();
  }

  void append_others(json_builder& json, std::size_t best,
                     const std::vector<answer_piece>& choices) const {
    json.key("best_of_sequences").begin_array();
    for (std::size_t run = 0; run < choices.size(); ++run) {
      if (run == best) continue;
      json.begin_object().field("generated_text", facts_.beginning + choices[run].text);
      append_details(json, run, choices[run]);
      json.end_object();
    }
    json.end_array();
  }

  void emit(event_sink& out, const held_token& token, const answer_end* end) {
    std::string text;
    json_builder json(text);
    json.begin_object().field("index", ++num_events_).key("token");
    append_token(json, token.sampled.token, token.text, token.sampled.logprob);
    if (facts_.has_top_tokens) {
      json.key("top_tokens");
      append_top(json, token.sampled);
    }
    if (end == nullptr) {
      json.key("generated_text").null().key("details").null();
    } else {
      json.field("generated_text", facts_.beginning + text_).key("details").begin_object();
      json.field("finish_reason", reason_of(*end));
      json.field("generated_tokens", end->usage.completion_tokens);
      append_seed(json, 0);
      json.field("input_length", facts_.num_prompt_tokens).end_object();
      append_warnings(json);
    }
    json.end_object();
    out.event("", text);
  }

  tgi_facts facts_;
  std::optional<held_token> held_;
  std::string text_;  // of the stream so far
  std::size_t num_events_ = 0;
};

struct tgi_wishes {
  given_prompt prompt;
  answer_order order;
  std::optional<structured_request> form;
  std::size_t num_runs = 1;
  std::size_t max_prompt_tokens = 0;  // of the prompt's end; 0: all
  bool returns_full_text = false;
  bool has_details = false;
};

// A field that changes nothing in one setting and is not offered in any other.
void refuse_unless_off(body_fields& fields, std::string_view name) {
  if (fields.flag(name, false))
    fields.refuse(name, std::string(name) + " is not offered", error_code::unsupported);
}

// As TGI does: without do_sample and without anything that bends the distribution, greedy.
void choose_sampling(body_fields& fields, sampling_params& sampling) {
  bool is_bent = sampling.temperature != 1 || sampling.top_k != 0 || sampling.top_p != 1;
  if (!fields.flag("do_sample", false) && !is_bent) sampling.temperature = 0;
}

void read_stops(body_fields& fields, detokenizer_options& text) {
  auto key = fields.has("stop_sequences") ? "stop_sequences" : "stop";
  text.stop = fields.texts(key, max_stops, max_stop_bytes);
}

// {"name", "schema"}
void read_named_schema(structure_reader& out, body_fields& grammar, const json_value& value) {
  body_fields named(value, grammar.place("value"));
  named.text("name");
  structure_reader form(named);
  form.schema("schema", true);
  if (!form.has_any())
    named.refuse("schema", named.place("schema") + " is missing, expected a JSON Schema");
  if (auto checked = named.finish(); !checked) grammar.refuse(checked.error());
  out.add(form.take());
}

// {"type": "json" | "regex" | "json_schema", "value"}
std::optional<structured_request> read_grammar(body_fields& fields) {
  auto* value = fields.raw("grammar");
  if (value == nullptr) return std::nullopt;
  body_fields grammar(*value, fields.place("grammar"));
  structure_reader form(grammar);
  auto type = grammar.text("type").value_or("");
  auto* what = grammar.raw("value");
  if (what == nullptr)
    grammar.refuse("value", grammar.place("value") + " is missing");
  else if (type == "json" || type == "json_object")
    form.schema("value", true);
  else if (type == "regex")
    form.regex("value");
  else if (type == "json_schema")
    read_named_schema(form, grammar, *what);
  else
    grammar.refuse("type", grammar.place("type") + " must be json, regex or json_schema");
  form.lenient();
  form.whitespace();
  if (auto checked = grammar.finish(); !checked) fields.refuse(checked.error());
  return form.take();
}

void read_parameters(const json_value& value, const body_context& context, tgi_wishes& w,
                     body_fields& outer) {
  body_fields fields(value, "parameters");
  auto facts = context.facts;
  facts.defaults = {};  // TGI's own; generation_config.json does not count there
  facts.defaults.stop_token_ids = context.facts.defaults.stop_token_ids;
  auto& sampling = w.order.request.sampling;
  if (fields.has("typical_p")) refuse_unless_off(fields, "typical_p");
  read_stops(fields, w.order.text);
  w.form = read_grammar(fields);
  sampling = read_sampling(fields, facts, context.seed, names);
  choose_sampling(fields, sampling);
  w.num_runs = static_cast<std::size_t>(fields.integer("best_of", 1, {1, max_runs}));
  sampling.num_logprobs =
      static_cast<std::int32_t>(fields.integer("top_n_tokens", 0, {0, max_top_tokens}));
  w.max_prompt_tokens =
      static_cast<std::size_t>(fields.integer("truncate", 0, {0, std::int64_t{1} << 30}));
  w.returns_full_text = fields.flag("return_full_text", false);
  w.has_details = fields.flag("details", false);
  refuse_unless_off(fields, "watermark");
  refuse_unless_off(fields, "decoder_input_details");
  if (auto checked = fields.finish(); !checked) outer.refuse(checked.error());
}

outcome<answer_plan> make_plan(tgi_wishes w, bool stream, const body_context& context) {
  auto& order = w.order;
  auto& prompt = order.request.prompt;
  prompt = encode(w.prompt, context.facts);
  if (w.max_prompt_tokens > 0 && prompt.size() > w.max_prompt_tokens)
    prompt.erase(prompt.begin(), prompt.end() - static_cast<std::ptrdiff_t>(w.max_prompt_tokens));
  auto settled = settle(order.request, context.facts, default_max_new_tokens, names);
  if (!settled) return settled.error();
  order.wants_tokens = true;
  order.text.skip_special_tokens = true;
  tgi_facts facts{.words = context.facts.words,
                  .beginning = w.returns_full_text ? text_of(w.prompt, context.facts) : "",
                  .num_prompt_tokens = static_cast<std::uint32_t>(prompt.size()),
                  .is_greedy = order.request.sampling.temperature == 0,
                  .has_details = w.has_details,
                  .has_top_tokens = order.request.sampling.num_logprobs > 0};
  answer_plan plan{
      .orders = repeat(order, w.num_runs), .stream = stream, .structure = std::move(w.form)};
  for (auto& run : plan.orders) facts.seeds.push_back(run.request.sampling.seed);
  plan.writer = std::make_unique<tgi_writer>(std::move(facts));
  return plan;
}

outcome<answer_plan> read(const json_value& body, const body_context& context, bool must_stream) {
  body_fields fields(body);
  tgi_wishes w;
  auto inputs = fields.text("inputs");
  if (!inputs || inputs->empty())
    fields.refuse("inputs", "inputs must be a string of at least one character");
  else
    w.prompt.text = *inputs;
  const json_value nothing_given{json_object{}};
  auto* parameters = fields.raw("parameters");
  read_parameters(parameters ? *parameters : nothing_given, context, w, fields);
  bool stream = fields.flag("stream", must_stream) || must_stream;
  if (stream && w.num_runs > 1)
    fields.refuse("parameters.best_of", "best_of must be 1 in a stream");
  if (auto checked = fields.finish(); !checked) return checked.error();
  return make_plan(std::move(w), stream, context);
}

}  // namespace

outcome<answer_plan> read_tgi(const json_value& body, const body_context& context) {
  return read(body, context, false);
}

outcome<answer_plan> read_tgi_stream_body(std::string_view body, body_context& context) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  return read(*json, context, true);
}

}  // namespace troupe
