#include "net/dialects/responses.hpp"

#include <utility>

#include "net/dialects/chat.hpp"
#include "net/dialects/chat_messages.hpp"
#include "net/dialects/openai_fields.hpp"
#include "net/dialects/openai_format.hpp"
#include "net/dialects/openai_tools.hpp"
#include "net/dialects/responses_input.hpp"
#include "net/dialects/responses_writer.hpp"
#include "net/openai_json.hpp"
#include "net/sampling_fields.hpp"
#include "net/tool_answer.hpp"
#include "text/json.hpp"

namespace troupe {
namespace {

constexpr sampling_names names{.max_tokens = "max_output_tokens", .prompt = "input"};
// A stored conversation holds the arguments of calls, which may be as deep as a body, in its own
// lists and objects.
constexpr json_limits stored_limits{.max_depth = 128, .max_values = 1U << 24};

struct responses_wishes {
  responses_input input;
  tool_wishes tools;
  std::optional<structured_request> format;
  answer_order order;
  responses_echo echo;
  bool stream = false;
  bool has_logprobs = false;
};

// The conversation that the previous response ended.
json_array read_previous(body_fields& fields, responses_wishes& w, const body_context& context) {
  w.echo.previous_response_id = fields.text("previous_response_id");
  if (!w.echo.previous_response_id) return {};
  auto& id = *w.echo.previous_response_id;
  auto found = context.stored ? context.stored->find(id, context.owner) : nullptr;
  if (found == nullptr) {
    fields.refuse("previous_response_id",
                  "there is no stored response with this id: it was never stored, was deleted, or "
                  "gave way to later ones");
    return {};
  }
  auto messages = parse_json(found->messages, stored_limits);
  if (!messages) fields.refuse(messages.error());
  return messages ? *messages->as_array() : json_array{};
}

void read_text_field(body_fields& fields, responses_wishes& w) {
  auto* value = fields.raw("text");
  if (value == nullptr) return;
  body_fields text(*value, "text");
  if (auto* format = text.raw("format")) w.echo.text_format = *format;
  w.format = read_format(text, "format", nesting::flat);
  accept_only_word(text, "verbosity", "medium", "the model knows no other");
  if (auto checked = text.finish(); !checked) fields.refuse(checked.error());
}

// Which parts of an answer are optional.
void read_include(body_fields& fields, responses_wishes& w) {
  auto* value = fields.raw("include");
  if (value == nullptr) return;
  auto* list = value->as_array();
  if (list == nullptr) fields.refuse("include", "include must be a list of strings");
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    auto* name = (*list)[i].as_string();
    bool is_logprobs = name != nullptr && *name == "message.output_text.logprobs";
    // What is never there need not be left out.
    bool is_empty = name != nullptr && *name == "reasoning.encrypted_content";
    w.has_logprobs = w.has_logprobs || is_logprobs;
    if (is_logprobs || is_empty) continue;
    fields.refuse("include",
                  "include can name message.output_text.logprobs and reasoning.encrypted_content",
                  error_code::unsupported);
  }
}

void read_reasoning(body_fields& fields) {
  auto* value = fields.raw("reasoning");
  if (value == nullptr) return;
  body_fields reasoning(*value, "reasoning");
  for (auto name : {"effort", "summary", "generate_summary"}) reasoning.text(name);
  if (auto checked = reasoning.finish(); !checked) fields.refuse(checked.error());
}

void read_rest(body_fields& fields, responses_echo& echo) {
  echo.user = fields.text("user");
  read_harmless(fields);
  read_reasoning(fields);
  if (auto* metadata = read_metadata(fields)) echo.metadata = *metadata;
  accept_only_word(fields, "truncation", "disabled", "what is too long is refused");
  accept_only_flag(fields, "background", false, "the answer comes with its request");
  refuse_unoffered(fields, {{"conversation", "previous_response_id goes on with one"},
                            {"prompt", "the server has no prompt templates"},
                            {"max_tool_calls", "it counts tools that the server would call"},
                            {"context_management", "what is too long is refused"}});
}

void read_sampling_fields(body_fields& fields, const body_context& context, responses_wishes& w) {
  auto& sampling = w.order.request.sampling;
  sampling = read_sampling(fields, context.facts, context.seed, names);
  if (sampling.max_tokens > 0) w.echo.max_output_tokens = sampling.max_tokens;
  w.echo.temperature = sampling.temperature;
  w.echo.top_p = sampling.top_p;
  auto num_likely = static_cast<std::int32_t>(fields.integer("top_logprobs", 0, {0, max_logprobs}));
  w.has_logprobs = w.has_logprobs || num_likely > 0;
  w.echo.top_logprobs = num_likely;
  if (w.has_logprobs) sampling.num_logprobs = num_likely;
  if (w.has_logprobs && w.tools.are_active())
    fields.refuse("top_logprobs", "logprobs together with tools are not offered here",
                  error_code::unsupported);
  w.order.wants_tokens = w.has_logprobs;
  w.order.request.priority = read_priority(fields);
  w.order.text = read_text_options(fields);
}

void read_tool_fields(body_fields& fields, responses_wishes& w) {
  w.tools = read_tools(fields, nesting::flat);
  if (auto* tools = fields.raw("tools")) w.echo.tools = *tools;
  if (!w.tools.choice.is_null()) w.echo.tool_choice = w.tools.choice;
  w.echo.parallel_tool_calls = w.tools.may_repeat;
}

responses_wishes read_wishes(body_fields& fields, const body_context& context) {
  responses_wishes w;
  check_model(fields, context.facts);
  w.echo.model = context.facts.model_name;
  w.echo.instructions = fields.text("instructions");
  auto earlier = read_previous(fields, w, context);
  w.input = read_responses_input(fields, std::move(earlier), context.unique);
  w.echo.store = fields.flag("store", true);
  read_tool_fields(fields, w);
  read_text_field(fields, w);
  read_include(fields, w);
  read_sampling_fields(fields, context, w);
  w.stream = read_openai_stream(fields).is_wanted;
  read_rest(fields, w.echo);
  return w;
}

// The instructions go first and are not carried over to later responses.
conversation make_conversation(const responses_wishes& w) {
  conversation talk;
  if (w.echo.instructions) talk.messages.push_back(make_message("system", *w.echo.instructions));
  talk.messages.insert(talk.messages.end(), w.input.messages.begin(), w.input.messages.end());
  talk.tools = w.tools.shown;
  return talk;
}

}  // namespace

outcome<answer_plan> read_responses_body(std::string_view body, body_context& context) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  body_fields fields(*json);
  auto w = read_wishes(fields, context);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto& request = w.order.request;
  auto prompt = encode(make_conversation(w), context.facts);
  if (!prompt) return prompt.error();
  request.prompt = *std::move(prompt);
  if (w.tools.are_active() && !w.tools.may_repeat)
    stop_after_first_call(request.sampling, context.facts);
  auto settled = settle(request, context.facts, rest_of_context, names);
  if (!settled) return settled.error();
  answer_plan plan{.stream = w.stream};
  bool has_calls = w.tools.are_active();
  plan.structure = structure_of_answer(std::move(w.tools), std::move(w.format));
  auto stop_tokens = stop_tokens_of(w.order, context.facts.limits.eos_token_ids);
  plan.orders.push_back(std::move(w.order));
  bool is_stored = w.echo.store;
  plan.writer = make_responses_writer({.unique = context.unique,
                                       .created = context.created,
                                       .words = context.facts.words,
                                       .stop_tokens = std::move(stop_tokens),
                                       .echo = std::move(w.echo),
                                       .has_calls = has_calls,
                                       .has_logprobs = w.has_logprobs,
                                       .input = std::move(w.input),
                                       .owner = context.owner,
                                       .store = is_stored ? context.stored : nullptr});
  return plan;
}

}  // namespace troupe
