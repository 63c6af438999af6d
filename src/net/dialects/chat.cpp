#include "net/dialects/chat.hpp"

#include <utility>

#include "net/dialects/chat_messages.hpp"
#include "net/dialects/chat_writer.hpp"
#include "net/dialects/openai_fields.hpp"
#include "net/dialects/openai_format.hpp"
#include "net/dialects/openai_tools.hpp"
#include "net/openai_json.hpp"
#include "net/sampling_fields.hpp"
#include "net/tool_answer.hpp"
#include "text/json.hpp"

namespace troupe {
namespace {

struct chat_wishes {
  conversation talk;
  tool_wishes tools;
  std::optional<structured_request> format;
  answer_order order;
  std::size_t num_runs = 1;
  openai_stream stream;
  bool has_token_ids = false;
};

// The newer name goes first; both together are refused, as OpenAI does.
sampling_names choose_names(body_fields& fields) {
  sampling_names names{.prompt = "messages"};
  auto* newer = fields.raw("max_completion_tokens");
  if (newer == nullptr) return names;
  if (fields.has("max_tokens"))
    fields.refuse("max_tokens", "max_tokens and max_completion_tokens exclude each other");
  names.max_tokens = "max_completion_tokens";
  fields.raw("max_tokens");
  return names;
}

std::int32_t read_chat_logprobs(body_fields& fields) {
  bool are_wanted = fields.flag("logprobs", false);
  auto num_likely = fields.integer("top_logprobs", 0, {0, max_logprobs});
  if (num_likely > 0 && !are_wanted)
    fields.refuse("top_logprobs", "top_logprobs needs \"logprobs\": true");
  return are_wanted ? static_cast<std::int32_t>(num_likely) : -1;
}

void read_modalities(body_fields& fields) {
  auto* value = fields.raw("modalities");
  if (value == nullptr) return;
  auto* list = value->as_array();
  bool is_text = list != nullptr && list->size() == 1 && (*list)[0].as_string() != nullptr &&
                 *(*list)[0].as_string() == "text";
  if (!is_text)
    fields.refuse("modalities", "modalities can only be [\"text\"]", error_code::unsupported);
}

// Fields of the API that this server knows of and does nothing for.
void read_rest(body_fields& fields) {
  read_harmless(fields);
  read_metadata(fields);
  read_modalities(fields);
  accept_only_flag(fields, "store", false, "chat completions are not stored, responses are");
  accept_only_word(fields, "verbosity", "medium", "the model knows no other");
  refuse_unoffered(fields, {{"functions", "tools took its place"},
                            {"function_call", "tool_choice took its place"},
                            {"audio", "the model writes text"},
                            {"prediction", "guesses come from the conversation itself"},
                            {"web_search_options", "the server never calls others"},
                            {"chat_template", "the model's own is used"},
                            {"chat_template_kwargs", "Qwen2.5's template takes none"},
                            {"documents", "Qwen2.5's template takes none"}});
}

void read_conversation(body_fields& fields, conversation& talk) {
  talk.messages = read_messages(fields);
  talk.continue_final_message = fields.flag("continue_final_message", false);
  talk.add_generation_prompt = fields.flag("add_generation_prompt", !talk.continue_final_message);
  if (!talk.continue_final_message || !fields.is_fine()) return;
  if (talk.add_generation_prompt)
    fields.refuse("continue_final_message",
                  "continue_final_message and add_generation_prompt exclude each other");
  auto& last = talk.messages.back();
  if (*last.find("role")->as_string() != "assistant" || last.find("tool_calls") != nullptr)
    fields.refuse("continue_final_message",
                  "continue_final_message needs a last message of the assistant without calls");
}

chat_wishes read_wishes(body_fields& fields, const body_context& context) {
  chat_wishes w;
  check_model(fields, context.facts);
  read_conversation(fields, w.talk);
  w.tools = read_tools(fields, nesting::nested);
  w.format = read_text_form(fields);
  auto& sampling = w.order.request.sampling;
  sampling = read_sampling(fields, context.facts, context.seed, choose_names(fields));
  sampling.num_logprobs = read_chat_logprobs(fields);
  w.order.request.priority = read_priority(fields);
  w.order.text = read_text_options(fields);
  w.num_runs = static_cast<std::size_t>(fields.integer("n", 1, {1, max_runs}));
  w.has_token_ids = fields.flag("return_token_ids", false);
  w.stream = read_openai_stream(fields);
  read_rest(fields);
  return w;
}

}  // namespace

void stop_after_first_call(sampling_params& sampling, const service& facts) {
  if (auto end = facts.words->find_added("</tool_call>")) sampling.stop_token_ids.push_back(*end);
}

outcome<answer_plan> read_chat_body(std::string_view body, body_context& context) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  body_fields fields(*json);
  auto names = choose_names(fields);
  auto w = read_wishes(fields, context);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto& request = w.order.request;
  w.talk.tools = w.tools.shown;
  auto prompt = encode(w.talk, context.facts);
  if (!prompt) return prompt.error();
  request.prompt = *std::move(prompt);
  if (w.tools.are_active() && !w.tools.may_repeat)
    stop_after_first_call(request.sampling, context.facts);
  auto settled = settle(request, context.facts, rest_of_context, names);
  if (!settled) return settled.error();
  bool has_logprobs = request.sampling.num_logprobs >= 0;
  w.order.wants_tokens = has_logprobs || w.has_token_ids;
  auto stop_tokens = stop_tokens_of(w.order, context.facts.limits.eos_token_ids);
  answer_plan plan{.orders = repeat(w.order, w.num_runs), .stream = w.stream.is_wanted};
  bool has_calls = w.tools.are_active();
  plan.structure = structure_of_answer(std::move(w.tools), std::move(w.format));
  plan.writer = make_chat_writer({.unique = context.unique,
                                  .created = context.created,
                                  .model = context.facts.model_name,
                                  .words = context.facts.words,
                                  .stop_tokens = std::move(stop_tokens),
                                  .num_choices = w.num_runs,
                                  .has_calls = has_calls,
                                  .has_logprobs = has_logprobs,
                                  .has_token_ids = w.has_token_ids,
                                  .streams_usage = w.stream.has_usage});
  return plan;
}

}  // namespace troupe
