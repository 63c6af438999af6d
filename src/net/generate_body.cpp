#include "net/generate_body.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "core/plan_step.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_stops = 16;
constexpr std::size_t max_stop_bytes = 256;
constexpr std::size_t max_stop_token_ids = 256;
constexpr std::size_t max_biases = 1024;
constexpr std::int64_t max_logprobs = 20;
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

// A number of alternatives, or a boolean: true asks for the chosen tokens' only.
std::int32_t read_logprobs(body_fields& fields) {
  auto* value = fields.raw("logprobs");
  if (value == nullptr) return -1;
  if (auto* wanted = value->as_bool()) return *wanted ? 0 : -1;
  return static_cast<std::int32_t>(fields.integer("logprobs", -1, {0, max_logprobs}));
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

// What a request may still generate where it does not say how much it wants.
std::uint32_t default_max_tokens(const generation_request& request, const service& facts) {
  std::uint64_t room = facts.limits.max_model_len;
  room -= std::min<std::uint64_t>(room, request.prompt.size());
  auto wanted = std::max(facts.defaults.max_tokens, request.sampling.min_tokens);
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(wanted, 1, std::max<std::uint64_t>(room, 1)));
}

refusal check_counts(const generation_request& request) {
  auto& s = request.sampling;
  if (s.min_tokens <= s.max_tokens) return nothing{};
  return failure{.message = "min_tokens is " + std::to_string(s.min_tokens) +
                            ", expected at most max_tokens, which is " +
                            std::to_string(s.max_tokens),
                 .field = "min_tokens"};
}

void check_model(body_fields& fields, const service& facts) {
  auto model = fields.text("model");
  if (!model || *model == facts.model_name) return;
  fields.refuse("model", "there is no such model; this server has " + facts.model_name,
                error_code::not_found);
}

}  // namespace

sampling_params read_sampling(body_fields& fields, const service& facts, std::uint64_t seed) {
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
  s.max_tokens = static_cast<std::uint32_t>(fields.integer("max_tokens", 0, {1, max_int32}));
  s.min_tokens =
      static_cast<std::uint32_t>(fields.integer("min_tokens", d.min_tokens, {0, max_int32}));
  s.ignore_eos = fields.flag("ignore_eos", d.ignore_eos);
  s.num_logprobs = read_logprobs(fields);
  s.stop_token_ids = read_stop_token_ids(fields, facts);
  s.logit_bias = read_logit_bias(fields, facts.vocab_size);
  return s;
}

outcome<generation_job> read_generate_body(std::string_view body, const service& facts,
                                           std::uint64_t seed) {
  auto json = parse_json(body);
  if (!json) return failure{.message = "the body is not valid JSON: " + json.error().message};
  body_fields fields(*json);
  generation_job job;
  check_model(fields, facts);
  auto prompt = fields.text("prompt");
  if (!prompt)
    fields.refuse("prompt", "prompt is missing, expected a string");
  else if (prompt->empty())
    fields.refuse("prompt", "prompt is empty, expected at least one character");
  job.request.sampling = read_sampling(fields, facts, seed);
  job.request.priority = static_cast<std::int32_t>(
      fields.integer("priority", 0, {std::numeric_limits<std::int32_t>::min(), max_int32}));
  job.text.stop = fields.texts("stop", max_stops, max_stop_bytes);
  job.text.skip_special_tokens = fields.flag("skip_special_tokens", true);
  job.text.include_stop_str_in_output = fields.flag("include_stop_str_in_output", false);
  job.stream = fields.flag("stream", false);
  if (auto checked = fields.finish(); !checked) return checked.error();
  job.request.prompt = facts.words->encode(*prompt);
  auto& wanted = job.request.sampling.max_tokens;
  if (wanted == 0) wanted = default_max_tokens(job.request, facts);
  if (auto checked = check_counts(job.request); !checked) return checked.error();
  if (auto misfit = find_misfit(job.request, facts.limits)) return *misfit;
  return job;
}

// One splitmix64 step of the sum. 53 bits, so that a client whose numbers are doubles can repeat
// it.
std::uint64_t draw_seed(std::uint64_t server_seed, request_id number) {
  auto z = server_seed + number.value * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return (z ^ (z >> 31)) >> 11;
}

}  // namespace troupe
