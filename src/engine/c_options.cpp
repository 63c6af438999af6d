#include "engine/c_options.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

namespace troupe {
namespace {

// What the caller knows of a struct laid over its defaults.
template <class Struct>
outcome<Struct> read_sized(const Struct* given, Struct defaults, const std::string& name) {
  if (given == nullptr) return refuse_member(name, "is null");
  const auto size = given->size;
  if (size < sizeof(std::size_t) || size > sizeof(Struct))
    return refuse_member("size", "of " + name + " is " + std::to_string(size) +
                                     ", expected what troupe_" + name + "_init writes, " +
                                     std::to_string(sizeof(Struct)) + " at most");
  std::memcpy(&defaults, given, size);
  return defaults;
}

template <class Kind, std::size_t Size>
refusal read_word(const char* member, const char* given, Kind& out,
                  const std::array<std::pair<std::string_view, Kind>, Size>& words) {
  if (given == nullptr) return refuse_member(member, "is null");
  for (auto& [word, kind] : words)
    if (word == given) {
      out = kind;
      return nothing{};
    }
  std::string expected;
  for (auto& [word, kind] : words) expected += (expected.empty() ? "" : ", ") + std::string(word);
  return refuse_member(member, "is \"" + std::string(given) + "\", expected " + expected);
}

refusal read_kinds(const troupe_engine_options& given, engine_options& out) {
  using device_word = std::pair<std::string_view, device_kind>;
  auto fine = read_word("device", given.device, out.device,
                        std::array<device_word, 5>{{{"cpu", device_kind::cpu},
                                                    {"cuda", device_kind::cuda},
                                                    {"auto", device_kind::automatic},
                                                    {"null", device_kind::null},
                                                    {"sim", device_kind::sim}}});
  if (!fine) return fine;
  using weights_word = std::pair<std::string_view, quantization>;
  return read_word("weights", given.weights, out.weights,
                   std::array<weights_word, 4>{{{"auto", quantization::automatic},
                                                {"none", quantization::none},
                                                {"int8", quantization::int8},
                                                {"int4", quantization::int4}}});
}

outcome<prompt_source> read_prompt(const troupe_request& given) {
  const int num_given =
      (given.text != nullptr) + (given.tokens != nullptr) + (given.turns != nullptr);
  if (num_given != 1)
    return refuse_member("text", "and tokens and turns: " + std::to_string(num_given) +
                                     " of them are given, expected one");
  if (given.text != nullptr) return prompt_source(std::string(given.text));
  if (given.tokens != nullptr)
    return prompt_source(std::vector<token_id>(given.tokens, given.tokens + given.num_tokens));
  auto turns = read_turns(given.turns, given.num_turns);
  if (!turns) return turns.error();
  return prompt_source(*std::move(turns));
}

outcome<answer_form> read_form(const troupe_request& given) {
  const int num_given =
      (given.json_schema != nullptr) + (given.regex != nullptr) + (given.grammar != nullptr);
  if (num_given > 1)
    return refuse_member("json_schema", "and regex and grammar: " + std::to_string(num_given) +
                                            " of them are given, expected one at most");
  using kind = answer_form::kind;
  if (given.json_schema != nullptr) return answer_form{kind::json_schema, given.json_schema};
  if (given.regex != nullptr) return answer_form{kind::regex, given.regex};
  if (given.grammar != nullptr) return answer_form{kind::grammar, given.grammar};
  return answer_form{};
}

void read_sampling(const troupe_request& given, sampling_params& out) {
  out.max_tokens = given.max_tokens;
  out.min_tokens = given.min_tokens;
  out.temperature = given.temperature;
  out.top_p = given.top_p;
  out.min_p = given.min_p;
  out.presence_penalty = given.presence_penalty;
  out.frequency_penalty = given.frequency_penalty;
  out.repetition_penalty = given.repetition_penalty;
  out.top_k = given.top_k;
  out.ignore_eos = given.ignore_eos != 0;
}

template <std::size_t Size>
void copy_text(const std::string& text, char (&out)[Size]) {
  auto size = std::min(text.size(), Size - 1);
  // Not in the middle of a character.
  while (size > 0 && size < text.size() &&
         (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U)
    --size;
  std::memcpy(out, text.data(), size);
  out[size] = '\0';
}

troupe_engine_options default_options() {
  const engine_options plain;
  troupe_engine_options out{};
  out.size = sizeof(out);
  out.device = "cpu";
  out.dtype = "auto";
  out.weights = "auto";
  out.max_num_seqs = plain.max_num_seqs;
  out.max_num_batched_tokens = plain.max_num_batched_tokens;
  out.tensor_parallel_size = plain.tensor_parallel_size;
  out.max_queued_requests = plain.max_queued_requests;
  out.request_timeout_ms = static_cast<std::uint32_t>(plain.request_timeout.count());
  out.queue_timeout_ms = static_cast<std::uint32_t>(plain.queue_timeout.count());
  return out;
}

troupe_request default_request(const engine& parts) {
  const auto& plain = parts.default_sampling();
  troupe_request out{};
  out.size = sizeof(out);
  out.max_tokens = plain.max_tokens;
  out.min_tokens = plain.min_tokens;
  out.temperature = plain.temperature;
  out.top_p = plain.top_p;
  out.min_p = plain.min_p;
  out.presence_penalty = plain.presence_penalty;
  out.frequency_penalty = plain.frequency_penalty;
  out.repetition_penalty = plain.repetition_penalty;
  out.top_k = plain.top_k;
  return out;
}

template <class Struct>
refusal write_sized(Struct from, Struct* to, std::size_t size) {
  if (to == nullptr || size < sizeof(std::size_t))
    return refuse_member("size", "is " + std::to_string(size) + ", expected that of the struct");
  from.size = std::min(size, sizeof(Struct));
  std::memset(static_cast<void*>(to), 0, size);
  std::memcpy(static_cast<void*>(to), &from, from.size);
  return nothing{};
}

}  // namespace

failure refuse_member(std::string member, std::string what) {
  auto message = member + " " + what;
  return {error_code::invalid_argument, std::move(message), std::move(member), {}};
}

outcome<engine_options> read_options(const troupe_engine_options* given) {
  auto read = read_sized(given, default_options(), "engine_options");
  if (!read) return read.error();
  const auto& all = *read;
  engine_options out;
  if (auto fine = read_kinds(all, out); !fine) return fine.error();
  if (all.model_dir == nullptr) return refuse_member("model_dir", "is null");
  if (all.dtype == nullptr) return refuse_member("dtype", "is null");
  out.model_dir = all.model_dir;
  out.dtype = all.dtype;
  out.seed = all.seed;
  out.format = all.dummy_weights != 0 ? load_format::dummy : load_format::files;
  out.max_model_len = all.max_model_len;
  out.max_num_seqs = all.max_num_seqs;
  out.max_num_batched_tokens = all.max_num_batched_tokens;
  out.tensor_parallel_size = all.tensor_parallel_size;
  out.threads = all.threads;
  if (all.num_kv_pages != 0) out.num_kv_pages = all.num_kv_pages;
  if (all.kv_cache_bytes != 0) out.kv_cache_bytes = all.kv_cache_bytes;
  out.max_queued_requests = all.max_queued_requests;
  out.request_timeout = std::chrono::milliseconds(all.request_timeout_ms);
  out.queue_timeout = std::chrono::milliseconds(all.queue_timeout_ms);
  return out;
}

outcome<std::vector<chat_turn>> read_turns(const troupe_turn* turns, std::size_t num_turns) {
  if (turns == nullptr) return refuse_member("turns", "is null");
  std::vector<chat_turn> out;
  for (std::size_t i = 0; i < num_turns; ++i) {
    if (turns[i].role == nullptr || turns[i].content == nullptr)
      return refuse_member("turns", "has a null in turn " + std::to_string(i));
    out.push_back({turns[i].role, turns[i].content});
  }
  return out;
}

outcome<c_request> read_request(const engine& parts, const troupe_request* given) {
  auto read = read_sized(given, default_request(parts), "request");
  if (!read) return read.error();
  const auto& all = *read;
  auto prompt = read_prompt(all);
  if (!prompt) return prompt.error();
  auto form = read_form(all);
  if (!form) return form.error();
  c_request out{.prompt = *std::move(prompt), .options = {}};
  out.options.form = *std::move(form);
  out.options.sampling = parts.default_sampling();
  read_sampling(all, out.options.sampling);
  if (all.has_seed != 0) out.options.seed = all.seed;
  out.options.priority = all.priority;
  out.options.timeout = std::chrono::milliseconds(all.timeout_ms);
  if (all.num_stop != 0 && all.stop == nullptr) return refuse_member("stop", "is null");
  for (std::size_t i = 0; i < all.num_stop; ++i) {
    if (all.stop[i] == nullptr) return refuse_member("stop", "has a null");
    out.options.stop.emplace_back(all.stop[i]);
  }
  return out;
}

refusal write_options(troupe_engine_options* out, std::size_t size) {
  return write_sized(default_options(), out, size);
}

refusal write_request(const engine& parts, troupe_request* out, std::size_t size) {
  return write_sized(default_request(parts), out, size);
}

troupe_code write_failure(const failure& what, troupe_failure* out) {
  if (out != nullptr) {
    out->code = static_cast<std::int32_t>(what.code);
    copy_text(what.message, out->message);
    copy_text(what.field, out->field);
  }
  return static_cast<troupe_code>(what.code);
}

}  // namespace troupe
