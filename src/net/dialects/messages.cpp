#include "net/dialects/messages.hpp"

#include <utility>

#include "net/dialects/chat.hpp"
#include "net/dialects/messages_conversation.hpp"
#include "net/dialects/messages_writer.hpp"
#include "net/sampling_fields.hpp"
#include "text/json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

constexpr sampling_names names{.prompt = "messages"};

// What may be there and changes nothing here.
void read_harmless_fields(body_fields& fields) {
  if (auto* metadata = fields.raw("metadata")) {
    body_fields inner(*metadata, "metadata");
    inner.text("user_id");
    if (auto checked = inner.finish(); !checked) fields.refuse(checked.error());
  }
  auto tier = fields.text("service_tier");
  if (tier && *tier != "auto" && *tier != "standard_only")
    fields.refuse("service_tier", "service_tier must be auto or standard_only");
  if (auto* thinking = fields.raw("thinking")) {
    body_fields inner(*thinking, "thinking");
    if (inner.text("type") != "disabled")
      inner.refuse("type", "thinking.type can only be disabled: the model does not reason apart",
                   error_code::unsupported);
    if (auto checked = inner.finish(); !checked) fields.refuse(checked.error());
  }
}

// Anthropic has fewer fields than others; ours may be given beside them.
answer_order read_order(body_fields& fields, const body_context& context) {
  answer_order order;
  order.request.sampling = read_sampling(fields, context.facts, context.seed, names);
  if (order.request.sampling.max_tokens == 0)
    fields.refuse("max_tokens", "max_tokens is missing, expected an integer from 1");
  order.request.priority = read_priority(fields);
  order.text.stop = fields.texts("stop_sequences", max_stops, max_stop_bytes);
  return order;
}

struct messages_wishes {
  anthropic_conversation talk;
  answer_order order;
  bool stream = false;
};

messages_wishes read_wishes(body_fields& fields, const body_context& context) {
  messages_wishes w;
  check_model(fields, context.facts);
  w.talk = read_anthropic_conversation(fields);
  w.order = read_order(fields, context);
  w.stream = fields.flag("stream", false);
  read_harmless_fields(fields);
  return w;
}

}  // namespace

outcome<answer_plan> read_messages_body(std::string_view body, body_context& context) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  body_fields fields(*json);
  auto w = read_wishes(fields, context);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto prompt = encode(w.talk.talk, context.facts);
  if (!prompt) return prompt.error();
  auto& request = w.order.request;
  request.prompt = *std::move(prompt);
  if (w.talk.has_calls() && !w.talk.may_repeat)
    stop_after_first_call(request.sampling, context.facts);
  auto settled = settle(request, context.facts, rest_of_context, names);
  if (!settled) return settled.error();
  messages_facts facts{.unique = context.unique,
                       .model = context.facts.model_name,
                       .num_prompt_tokens = static_cast<std::uint32_t>(request.prompt.size()),
                       .has_calls = w.talk.has_calls()};
  answer_plan plan{.stream = w.stream, .structure = std::move(w.talk.structure)};
  plan.orders.push_back(std::move(w.order));
  plan.writer = make_messages_writer(std::move(facts));
  return plan;
}

outcome<std::string> count_tokens_body(std::string_view body, const service& facts) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  body_fields fields(*json);
  check_model(fields, facts);
  auto talk = read_anthropic_conversation(fields);
  read_harmless_fields(fields);
  if (auto checked = fields.finish(); !checked) return checked.error();
  auto prompt = encode(talk.talk, facts);
  if (!prompt) return prompt.error();
  std::string out;
  json_builder(out).begin_object().field("input_tokens", prompt->size()).end_object();
  return out += "\n";
}

}  // namespace troupe
