#include "net/dialects/sglang.hpp"

#include <utility>

#include "net/prompt_field.hpp"
#include "net/sampling_fields.hpp"
#include "net/structured_fields.hpp"
#include "net/token_json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

constexpr sampling_names names{.max_tokens = "max_new_tokens", .min_tokens = "min_new_tokens"};
constexpr std::uint32_t default_max_new_tokens = 128;
constexpr std::string_view any_json_word = "$$ANY$$";  // instead of a schema

struct sglang_facts {
  std::string id;
  std::shared_ptr<const tokenizer> words;
  std::vector<std::uint32_t> max_tokens;  // [num_choices]
  bool is_list = false;                   // several answers, or asked for as a list
  bool has_logprobs = false;
  bool has_token_text = false;
};

class sglang_writer : public answer_writer {
 public:
  explicit sglang_writer(sglang_facts facts)
      : facts_(std::move(facts)), so_far_(facts_.max_tokens.size()) {}

  std::string whole(std::vector<answer_piece> choices) override {
    std::string out;
    json_builder json(out);
    if (facts_.is_list) json.begin_array();
    for (std::size_t i = 0; i < choices.size(); ++i) {
      json.begin_object();
      append_choice(json, i, choices[i]);
      json.end_object();
    }
    if (facts_.is_list) json.end_array();
    return out += "\n";
  }

  void write(event_sink& out, std::size_t choice, answer_piece piece) override {
    auto& all = so_far_[choice];
    append_piece(all, std::move(piece));
    std::string text;
    json_builder json(text);
    json.begin_object();
    if (facts_.is_list) json.field("index", choice);
    append_choice(json, choice, all);
    json.end_object();
    out.event("", text);
  }

  void fail(event_sink& out, const http_error& why) override {
    out.event("", error_body(why, error_style::openai));
  }

 private:
  void append_choice(json_builder& json, std::size_t choice, const answer_piece& all) const {
    json.field("text", all.text).key("output_ids").begin_array();
    for (auto& token : all.tokens) json.value(token.sampled.token);
    json.end_array().key("meta_info").begin_object().field("id", facts_.id);
    append_reason(json, choice, all.end);
    if (all.end) {
      json.field("prompt_tokens", all.end->usage.prompt_tokens);
      json.field("cached_tokens", all.end->usage.cached_tokens);
    }
    json.field("completion_tokens", all.tokens.size());
    if (facts_.has_logprobs) append_logprobs(json, all.tokens);
    json.end_object();
    if (all.end) append_warnings(json);
  }

  void append_reason(json_builder& json, std::size_t choice,
                     const std::optional<answer_end>& end) const {
    json.key("finish_reason");
    if (!end) {
      json.null();
    } else if (end->why == finish_reason::length) {
      json.begin_object().field("type", "length");
      json.field("length", facts_.max_tokens[choice]).end_object();
    } else {
      json.begin_object().field("type", "stop");
      if (end->matched_stop)
        json.field("matched", *end->matched_stop);
      else
        json.field_or_null("matched", end->stop_token ? &*end->stop_token : nullptr);
      json.end_object();
    }
  }

  void append_logprobs(json_builder& json, const std::vector<answer_token>& tokens) const {
    json.key("input_token_logprobs").begin_array().end_array();
    json.key("output_token_logprobs").begin_array();
    for (auto& token : tokens) append_logprob(json, token.sampled.token, token.sampled.logprob);
    json.end_array().key("output_top_logprobs").begin_array();
    for (auto& token : tokens) {
      json.begin_array();
      for (auto& likely : token.sampled.most_likely)
        append_logprob(json, likely.token, likely.logprob);
      json.end_array();
    }
    json.end_array();
  }

  void append_logprob(json_builder& json, token_id token, float logprob) const {
    json.begin_array().value(shown_logprob(logprob)).value(token);
    if (facts_.has_token_text)
      json.value(facts_.words->decode({token}, false));
    else
      json.null();
    json.end_array();
  }

  sglang_facts facts_;
  std::vector<answer_piece> so_far_;  // [num_choices]
};

struct sampled_order {
  answer_order order;
  std::optional<structured_request> form;
  std::size_t num_runs = 1;
};

std::optional<structured_request> read_form(body_fields& fields) {
  structure_reader form(fields);
  auto* schema = fields.raw("json_schema");
  bool is_any =
      schema != nullptr && schema->as_string() != nullptr && *schema->as_string() == any_json_word;
  if (is_any)
    form.add(
        structured_request{.kind = structure_kind::any_json, .field = fields.place("json_schema")});
  else
    form.schema("json_schema", true);
  form.regex("regex");
  form.grammar("ebnf");
  form.lenient();
  form.whitespace();
  if (fields.raw("structural_tag") != nullptr)
    fields.refuse("structural_tag", fields.place("structural_tag") + " is not offered",
                  error_code::unsupported);
  return form.take();
}

// The fields of one "sampling_params".
outcome<sampled_order> read_params(const json_value& params, const std::string& path,
                                   const body_context& context) {
  body_fields fields(params, path);
  sampled_order out;
  auto& order = out.order;
  auto seed = static_cast<std::uint64_t>(fields.integer(
      "sampling_seed", static_cast<std::int64_t>(context.seed),
      {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}));
  order.request.sampling = read_sampling(fields, context.facts, seed, names);
  order.text = read_text_options(fields);
  out.form = read_form(fields);
  // SGLang's word for the same.
  if (fields.flag("no_stop_trim", false)) order.text.include_stop_str_in_output = true;
  fields.flag("spaces_between_special_tokens", true);  // Qwen2.5's never have any
  out.num_runs = static_cast<std::size_t>(fields.integer("n", 1, {1, max_runs}));
  if (auto checked = fields.finish(); !checked) return checked.error();
  return out;
}

// One object for all prompts, or a list with one for each.
outcome<std::vector<sampled_order>> read_all_params(const json_value* params,
                                                    std::size_t num_prompts,
                                                    const body_context& context) {
  const json_value nothing_given{json_object{}};
  if (params == nullptr) params = &nothing_given;
  auto* list = params->as_array();
  if (list != nullptr && list->size() != num_prompts)
    return failure{.message = "sampling_params has " + std::to_string(list->size()) +
                              " objects, expected one for each of the " +
                              std::to_string(num_prompts) + " prompts",
                   .field = "sampling_params"};
  std::vector<sampled_order> out;
  for (std::size_t i = 0; i < num_prompts; ++i) {
    auto path = list ? "sampling_params[" + std::to_string(i) + "]" : "sampling_params";
    auto one = read_params(list ? (*list)[i] : *params, path, context);
    if (!one) return one.error();
    out.push_back(*std::move(one));
  }
  return out;
}

// One call has one grammar.
refusal check_forms(const std::vector<sampled_order>& orders) {
  auto key = [](const sampled_order& one) { return one.form ? canonical_key(*one.form) : ""; };
  for (std::size_t i = 1; i < orders.size(); ++i)
    if (key(orders[i]) != key(orders[0])) {
      auto path = "sampling_params[" + std::to_string(i) + "]";
      return failure{.code = error_code::unsupported,
                     .message = path +
                                " asks for another form than sampling_params[0], expected "
                                "one form for all prompts of a call",
                     .field = path};
    }
  return nothing{};
}

struct sglang_wishes {
  std::vector<given_prompt> prompts;
  const json_value* params = nullptr;
  bool is_list = false;
  bool stream = false;
  bool has_logprobs = false;
  bool has_token_text = false;
  std::int32_t num_likely = 0;
  std::string id;
};

bool is_batch(const json_value* prompts) {
  auto* list = prompts == nullptr ? nullptr : prompts->as_array();
  return list != nullptr && !list->empty() && !list->front().is_number();
}

sglang_wishes read_wishes(body_fields& fields, const body_context& context) {
  sglang_wishes w;
  auto key = fields.has("text") ? "text" : "input_ids";
  if (fields.has("text") && fields.has("input_ids"))
    fields.refuse("input_ids", "input_ids and text exclude each other");
  w.prompts = read_prompts(fields, key, context.facts);
  w.is_list = is_batch(fields.raw(key));
  w.params = fields.raw("sampling_params");
  w.id = fields.text("rid").value_or(context.id);
  w.stream = fields.flag("stream", false);
  w.has_logprobs = fields.flag("return_logprob", false);
  w.has_token_text = fields.flag("return_text_in_logprobs", false);
  w.num_likely =
      static_cast<std::int32_t>(fields.integer("top_logprobs_num", 0, {0, max_logprobs}));
  if (fields.integer("logprob_start_len", -1, {-1, 1 << 30}) != -1)
    fields.refuse("logprob_start_len",
                  "logprob_start_len must be -1: the prompt's tokens have no logprobs here",
                  error_code::unsupported);
  return w;
}

}  // namespace

outcome<answer_plan> read_sglang(const json_value& body, const body_context& context) {
  body_fields fields(body);
  auto w = read_wishes(fields, context);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto params = read_all_params(w.params, w.prompts.size(), context);
  if (!params) return params.error();
  if (auto checked = check_forms(*params); !checked) return checked.error();
  sglang_facts facts{.id = w.id,
                     .words = context.facts.words,
                     .is_list = w.is_list,
                     .has_logprobs = w.has_logprobs,
                     .has_token_text = w.has_token_text};
  answer_plan plan{.stream = w.stream, .structure = params->front().form};
  for (std::size_t i = 0; i < w.prompts.size(); ++i) {
    auto& [order, form, num_runs] = (*params)[i];
    order.wants_tokens = true;
    if (w.has_logprobs) order.request.sampling.num_logprobs = w.num_likely;
    order.request.prompt = encode(w.prompts[i], context.facts);
    auto settled = settle(order.request, context.facts, default_max_new_tokens, names);
    if (!settled) return settled.error();
    for (auto& run : repeat(order, num_runs)) {
      facts.max_tokens.push_back(run.request.sampling.max_tokens);
      plan.orders.push_back(std::move(run));
    }
  }
  if (plan.orders.size() > max_answers)
    return failure{.message = "the call asks for " + std::to_string(plan.orders.size()) +
                              " answers, expected at most " + std::to_string(max_answers),
                   .field = "sampling_params.n"};
  facts.is_list = facts.is_list || plan.orders.size() > 1;
  plan.writer = std::make_unique<sglang_writer>(std::move(facts));
  return plan;
}

}  // namespace troupe
