#include "net/sampling_fields.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "core/plan_step.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_stop_token_ids = 256;
constexpr std::size_t max_biases = 1024;
constexpr double max_bias = 100;
constexpr auto max_int32 = std::numeric_limits<std::int32_t>::max();

float as_float(double value) { return static_cast<float>(value); }

std::uint64_t read_seed(body_fields& fields, std::uint64_t absent) {
  auto* value = fields.raw("seed");
  if (value == nullptr) return absent;
  if (auto* small = value->as_int()) return static_cast<std::uint64_t>(*small);
  if (auto* large = std::get_if<std::uint64_t>(&value->value())) return *large;
  fields.refuse("seed", "seed must be an integer of at most 64 bits, found " +
                            std::string(value->type_name()));
  return absent;
}

struct bias_reader {
  body_fields& fields;
  std::uint32_t vocab_size;
  std::vector<std::pair<token_id, float>> out;
  std::set<token_id> seen;

  void add(std::int64_t token, const json_value& bias) {
    double value = 0;
    if (!(token >= 0 && token < std::int64_t{vocab_size})) return refuse();
    if (!(bias.get_number(value) && value >= -max_bias && value <= max_bias)) return refuse();
    auto id = static_cast<token_id>(token);
    if (!seen.insert(id).second)
      return fields.refuse("logit_bias",
                           "logit_bias names the token " + std::to_string(id) + " twice");
    out.emplace_back(id, as_float(value));
  }
  void add_member(const json_member& member) {
    auto& [key, bias] = member;
    std::int64_t token = -1;
    auto end = key.data() + key.size();
    auto parsed = std::from_chars(key.data(), end, token);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return refuse();
    add(token, bias);
  }
  void add_pair(const json_value& item) {
    auto* pair = item.as_array();
    if (pair == nullptr || pair->size() != 2 || (*pair)[0].as_int() == nullptr) return refuse();
    add(*(*pair)[0].as_int(), (*pair)[1]);
  }
  void refuse() {
    fields.refuse("logit_bias",
                  "logit_bias must map at most " + std::to_string(max_biases) +
                      " token ids from 0 to " + std::to_string(vocab_size - 1) +
                      " to numbers from -100 to 100, as an object or a list of pairs");
  }
};

std::vector<std::pair<token_id, float>> read_logit_bias(body_fields& fields,
                                                        std::uint32_t vocab_size) {
  bias_reader reader{fields, vocab_size, {}, {}};
  auto* value = fields.raw("logit_bias");
  if (value == nullptr) return {};
  auto* members = value->as_object();
  auto* pairs = value->as_array();
  auto size = members ? members->size() : pairs ? pairs->size() : max_biases + 1;
  if (size > max_biases) reader.refuse();
  for (std::size_t i = 0; i < size && fields.is_fine(); ++i) {
    if (members != nullptr)
      reader.add_member((*members)[i]);
    else
      reader.add_pair((*pairs)[i]);
  }
  return std::move(reader.out);
}

std::vector<token_id> read_stop_token_ids(body_fields& fields, const service& facts) {
  auto ids = fields.integers("stop_token_ids", max_stop_token_ids,
                             {0, std::int64_t{facts.vocab_size} - 1});
  if (ids.empty()) return facts.defaults.stop_token_ids;
  return {ids.begin(), ids.end()};
}

}  // namespace

sampling_params read_sampling(body_fields& fields, const service& facts, std::uint64_t seed,
                              const sampling_names& names) {
  auto& d = facts.defaults;
  sampling_params s;
  s.temperature = as_float(fields.number("temperature", d.temperature, {0, 2}));
  s.top_p = as_float(fields.number("top_p", d.top_p, {0, 1, true}));
  // As others write it, -1 means the same as 0: the whole vocabulary.
  auto top_k = fields.integer("top_k", d.top_k, {-1, max_int32});
  s.top_k = static_cast<std::int32_t>(std::max<std::int64_t>(top_k, 0));
  s.min_p = as_float(fields.number("min_p", d.min_p, {0, 1}));
  s.frequency_penalty = as_float(fields.number("frequency_penalty", d.frequency_penalty, {-2, 2}));
  s.presence_penalty = as_float(fields.number("presence_penalty", d.presence_penalty, {-2, 2}));
  s.repetition_penalty =
      as_float(fields.number("repetition_penalty", d.repetition_penalty, {0, 2, true}));
  s.seed = read_seed(fields, seed);
  s.max_tokens = static_cast<std::uint32_t>(fields.integer(names.max_tokens, 0, {1, max_int32}));
  s.min_tokens =
      static_cast<std::uint32_t>(fields.integer(names.min_tokens, d.min_tokens, {0, max_int32}));
  s.ignore_eos = fields.flag("ignore_eos", d.ignore_eos);
  s.stop_token_ids = read_stop_token_ids(fields, facts);
  s.logit_bias = read_logit_bias(fields, facts.vocab_size);
  return s;
}

std::int32_t read_logprobs(body_fields& fields, std::string_view name) {
  auto* value = fields.raw(name);
  if (value == nullptr) return -1;
  if (auto* wanted = value->as_bool()) return *wanted ? 0 : -1;
  return static_cast<std::int32_t>(fields.integer(name, -1, {0, max_logprobs}));
}

detokenizer_options read_text_options(body_fields& fields) {
  detokenizer_options text;
  text.stop = fields.texts("stop", max_stops, max_stop_bytes);
  text.skip_special_tokens = fields.flag("skip_special_tokens", true);
  text.include_stop_str_in_output = fields.flag("include_stop_str_in_output", false);
  return text;
}

std::int32_t read_priority(body_fields& fields) {
  return static_cast<std::int32_t>(
      fields.integer("priority", 0, {std::numeric_limits<std::int32_t>::min(), max_int32}));
}

void check_model(body_fields& fields, const service& facts) {
  auto model = fields.text("model");
  if (!model || *model == facts.model_name) return;
  fields.refuse("model", "there is no such model; this server has " + facts.model_name,
                error_code::not_found);
}

refusal settle(generation_request& request, const service& facts, std::uint32_t absent,
               const sampling_names& names) {
  auto& s = request.sampling;
  if (s.max_tokens == 0) {
    std::uint64_t room = facts.limits.max_model_len;
    room -= std::min<std::uint64_t>(room, request.prompt.size());
    auto wanted = std::max(absent, s.min_tokens);
    s.max_tokens = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(wanted, 1, std::max<std::uint64_t>(room, 1)));
  }
  if (s.min_tokens > s.max_tokens)
    return failure{.message = std::string(names.min_tokens) + " is " +
                              std::to_string(s.min_tokens) + ", expected at most " +
                              std::string(names.max_tokens) + ", which is " +
                              std::to_string(s.max_tokens),
                   .field = std::string(names.min_tokens)};
  auto misfit = find_misfit(request, facts.limits);
  if (!misfit) return nothing{};
  if (misfit->field == "prompt") misfit->field = names.prompt;
  if (misfit->field == "max_tokens") misfit->field = names.max_tokens;
  return *std::move(misfit);
}

}  // namespace troupe
