#include "net/token_bodies.hpp"

#include "net/body_fields.hpp"
#include "net/sampling_fields.hpp"
#include "text/json.hpp"
#include "text/json_builder.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_tokens = 1U << 21;

failure no_json(const failure& why) {
  return {.message = "the body is not valid JSON: " + why.message};
}

std::string show_tokens(const std::vector<token_id>& tokens, bool with_text, const service& facts) {
  std::string out;
  json_builder json(out);
  json.begin_object().field("count", tokens.size());
  json.field("max_model_len", facts.limits.max_model_len).key("tokens").begin_array();
  for (auto token : tokens) json.value(token);
  json.end_array().key("token_strs");
  if (with_text) {
    json.begin_array();
    for (auto token : tokens) json.value(facts.words->decode({token}, false));
    json.end_array();
  } else {
    json.null();
  }
  json.end_object();
  return out += "\n";
}

}  // namespace

outcome<std::string> tokenize_body(std::string_view body, const service& facts) {
  auto json = parse_json(body);
  if (!json) return no_json(json.error());
  body_fields fields(*json);
  check_model(fields, facts);
  auto prompt = fields.text("prompt");
  if (!prompt) fields.refuse("prompt", "prompt is missing, expected a string");
  bool with_text = fields.flag("return_token_strs", false);
  fields.flag("add_special_tokens", true);  // Qwen2.5's tokenizer adds none
  if (auto checked = fields.finish(); !checked) return checked.error();
  return show_tokens(facts.words->encode(*prompt), with_text, facts);
}

outcome<std::string> detokenize_body(std::string_view body, const service& facts) {
  auto json = parse_json(body);
  if (!json) return no_json(json.error());
  body_fields fields(*json);
  check_model(fields, facts);
  if (!fields.has("tokens")) fields.refuse("tokens", "tokens is missing, expected a list of ids");
  auto ids = fields.integers("tokens", max_tokens, {0, std::int64_t{facts.vocab_size} - 1});
  if (auto checked = fields.finish(); !checked) return checked.error();
  std::string out;
  json_builder builder(out);
  auto text = facts.words->decode({ids.begin(), ids.end()}, false);
  builder.begin_object().field("prompt", text).end_object();
  return out += "\n";
}

}  // namespace troupe
