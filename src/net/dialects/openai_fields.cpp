#include "net/dialects/openai_fields.hpp"

#include <algorithm>

namespace troupe {
namespace {

const json_value null_value;
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

structured_request read_schema(body_fields& format, const std::string& path) {
  structured_request ask{.kind = structure_kind::schema, .field = path};
  if (auto name = format.text("name"); !name || name->empty())
    format.refuse("name", path + ".name is missing, expected a string");
  format.text("description");
  ask.is_strict = format.flag("strict", false);
  auto* schema = format.raw("schema");
  bool is_schema = schema != nullptr && schema->as_object() != nullptr;
  if (is_schema)
    ask.schema = *schema;
  else
    format.refuse("schema", path + ".schema must be an object, a JSON Schema");
  return ask;
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

std::optional<structured_request> read_format(body_fields& fields, std::string_view name,
                                              const std::string& path, nesting form) {
  auto* value = fields.raw(name);
  if (value == nullptr) return std::nullopt;
  body_fields format(*value, path);
  std::optional<structured_request> ask;
  auto type = format.text("type");
  if (type == "json_object") {
    ask = structured_request{.kind = structure_kind::any_object, .field = path};
  } else if (type == "json_schema" && form == nesting::flat) {
    ask = read_schema(format, path);
  } else if (type == "json_schema") {
    auto* inner_value = format.raw("json_schema");
    auto inner_path = path + ".json_schema";
    body_fields inner(inner_value == nullptr ? null_value : *inner_value, inner_path);
    ask = read_schema(inner, inner_path);
    if (auto checked = inner.finish(); !checked) format.refuse(checked.error());
  } else if (type != "text") {
    format.refuse("type", path + ".type must be text, json_object or json_schema");
  }
  if (auto checked = format.finish(); !checked) fields.refuse(checked.error());
  return ask;
}

}  // namespace troupe
