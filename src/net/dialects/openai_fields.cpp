#include "net/dialects/openai_fields.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t max_pairs = 16;
constexpr std::size_t max_key_bytes = 64;
constexpr std::size_t max_value_bytes = 512;

bool is_fine_pair(const json_member& pair) {
  auto* value = pair.second.as_string();
  return pair.first.size() <= max_key_bytes && value != nullptr && value->size() <= max_value_bytes;
}

void check_word(body_fields& fields, std::string_view name,
                std::initializer_list<std::string_view> words) {
  auto word = fields.text(name);
  if (!word || std::ranges::find(words, *word) != words.end()) return;
  std::string list;
  for (auto& one : words) list.append(list.empty() ? "" : ", ").append(one);
  fields.refuse(name, std::string(name) + " must be one of " + list);
}

}  // namespace

const json_value* read_metadata(body_fields& fields) {
  auto* value = fields.raw("metadata");
  if (value == nullptr) return nullptr;
  auto* pairs = value->as_object();
  if (pairs == nullptr || pairs->size() > max_pairs || !std::ranges::all_of(*pairs, is_fine_pair))
    fields.refuse("metadata",
                  "metadata must be an object of at most 16 strings, each of at most 512 bytes, "
                  "with keys of at most 64 bytes");
  return value;
}

void read_harmless(body_fields& fields) {
  for (auto name : {"user", "safety_identifier", "prompt_cache_key"}) fields.text(name);
  check_word(fields, "service_tier", {"auto", "default"});
  check_word(fields, "reasoning_effort", {"none", "minimal", "low", "medium", "high", "xhigh"});
}

void refuse_unoffered(body_fields& fields, std::initializer_list<unoffered> list) {
  for (auto& [name, why] : list) {
    if (fields.raw(name) == nullptr) continue;
    fields.refuse(name, std::string(name) + " is not offered: " + std::string(why),
                  error_code::unsupported);
  }
}

void accept_only_flag(body_fields& fields, std::string_view name, bool value,
                      std::string_view why) {
  if (fields.flag(name, value) == value) return;
  fields.refuse(
      name,
      std::string(name) + (value ? " false" : " true") + " is not offered: " + std::string(why),
      error_code::unsupported);
}

void accept_only_word(body_fields& fields, std::string_view name, std::string_view value,
                      std::string_view why) {
  auto found = fields.text(name);
  if (!found || *found == value) return;
  fields.refuse(name,
                std::string(name) + " can only be " + std::string(value) + ": " + std::string(why),
                error_code::unsupported);
}

}  // namespace troupe
